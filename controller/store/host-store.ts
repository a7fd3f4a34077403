import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { type Report, reportSchema } from '../../desired-state/schema/report.ts';
import { readIfThere, writeFileAtomically } from './atomic-file.ts';

/** How many reports of each host are kept. */
const KEPT_REPORTS = 10;

/** What the controller has heard of a host. Moments are milliseconds since the epoch, by the controller's own clock. */
export interface HostRecord {
  /** Any request of its agent. */
  readonly lastSeen_ms: number;
  readonly lastReport_ms?: number | undefined;
  /** Newest first. */
  readonly reports: readonly Report[];
  /** Of the last report that had any. */
  readonly addresses: readonly string[];
}

const recordSchema = v.object({
  lastSeen_ms: v.number(),
  lastReport_ms: v.optional(v.number()),
  reports: v.array(reportSchema),
  addresses: v.array(v.string()),
});

/** Reports of the hosts, in memory and in a file per host. */
export class HostStore {
  readonly #directory: string;
  readonly #records = new Map<string, HostRecord>();
  /** One write at a time per host; what comes meanwhile is written by the next. */
  readonly #writing = new Map<string, Promise<void>>();

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'hosts');
  }

  /** Reads what there is; a damaged file is as good as none, because the next report replaces it. Returns those. */
  async load(): Promise<readonly string[]> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const damaged: string[] = [];
    for (const name of await readdir(this.#directory)) {
      if (!name.endsWith('.json')) continue;
      const path = join(this.#directory, name);
      const record = parseRecord((await readIfThere(path)) ?? '');
      if (record === undefined) damaged.push(path);
      else this.#records.set(name.slice(0, -'.json'.length), record);
    }
    return damaged;
  }

  get(host: string): HostRecord | undefined {
    return this.#records.get(host);
  }

  records(): ReadonlyMap<string, HostRecord> {
    return this.#records;
  }

  seen(host: string, now_ms: number): void {
    const known = this.#records.get(host) ?? { reports: [], addresses: [] };
    this.#records.set(host, { ...known, lastSeen_ms: now_ms });
  }

  /** Keeps a report; resolves once it is on disk. Tells whether the addresses of the host are other ones now. */
  async add(host: string, report: Report, now_ms: number): Promise<{ readonly addressesChanged: boolean }> {
    const known = this.#records.get(host);
    const before = known?.addresses ?? [];
    const addresses = report.facts === undefined ? before : usableAddresses(report.facts.addresses);
    const reports = [report, ...(known?.reports ?? [])].slice(0, KEPT_REPORTS);
    this.#records.set(host, { lastSeen_ms: now_ms, lastReport_ms: now_ms, reports, addresses });
    await this.#save(host);
    return { addressesChanged: addresses.join() !== before.join() };
  }

  async #save(host: string): Promise<void> {
    await this.#writing.get(host);
    const record = this.#records.get(host);
    const write = writeFileAtomically(join(this.#directory, `${host}.json`), JSON.stringify(record));
    const settled = write.catch(() => undefined);
    this.#writing.set(host, settled);
    await write;
    if (this.#writing.get(host) === settled) this.#writing.delete(host);
  }
}

/** Without loopback and link-local addresses, by which no other host reaches this one. */
function usableAddresses(addresses: readonly { readonly address: string }[]): readonly string[] {
  return addresses
    .map(({ address }) => address.toLowerCase())
    .filter((address) => !/^(?:127\.|169\.254\.|::1$|fe[89ab][0-9a-f]:)/.test(address));
}

function parseRecord(text: string): HostRecord | undefined {
  try {
    return v.parse(recordSchema, JSON.parse(text));
  } catch {
    return undefined;
  }
}

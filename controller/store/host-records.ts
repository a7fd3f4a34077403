import type { Insertable, Kysely } from 'kysely';
import * as v from 'valibot';
import { type Report, reportSchema } from '../../desired-state/schema/report.ts';
import { batchesOf } from './batches.ts';
import type { Store } from './database.ts';
import { type HostSummary, parseSummary, summaryOf } from './host-summary.ts';
import type { StoreLog } from './log.ts';
import { runOf } from './runs.ts';
import type { HostsTable, RunsTable, Tables } from './tables.ts';

/** What the controller has heard of a host. Moments are milliseconds since the epoch, by a controller's own clock. */
export interface HostRecord {
  /** Any request of its agent. */
  readonly lastSeen_ms: number;
  readonly lastReport_ms?: number;
  /** Of the last report that had any. */
  readonly addresses: readonly string[];
  /** The last report, in short. */
  readonly summary?: HostSummary;
}

/** Reports that come within this time after a write are written together, so that 10,000 hosts make no 10,000 writes. */
const REPORTS_GATHERED_MS = 50;
const REPORTS_PER_WRITE = 100;
/** Written together, too: it matters only after a restart, and to other controllers. */
const SEEN_GATHERED_MS = 2000;
/** How often it is read what other controllers have seen. */
const OTHERS_SEEN_MS = 30_000;

/** Names of hosts are long in the worst case, and a message is not. */
const HOSTS_PER_MESSAGE = 25;

/** What a batch of reports changes. */
interface News {
  readonly records: ReadonlyMap<string, HostRecord>;
  readonly reports: ReadonlyMap<string, Report>;
  readonly runs: readonly Insertable<RunsTable>[];
  /** The places in the batch of reports that tell of other addresses. */
  readonly moved: ReadonlySet<number>;
}

interface Waiting {
  readonly report: Report;
  readonly now_ms: number;
  readonly done: (result: { readonly addressesChanged: boolean }) => void;
  readonly failed: (error: unknown) => void;
}

const addressesSchema = v.pipe(v.string(), v.parseJson(), v.array(v.string()));

/**
 * The hosts as their agents tell of themselves: in short in memory, whole in the store. Controllers of one database tell
 * each other of reports.
 */
export class HostRecords {
  readonly #store: Store;
  readonly #log: StoreLog;
  readonly #records = new Map<string, HostRecord>();
  readonly #listeners = new Set<(hosts: readonly string[]) => void>();
  readonly #ends: (() => void)[] = [];
  /** Seen since the last write. */
  readonly #seen = new Set<string>();
  #seenTimer: NodeJS.Timeout | undefined;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #lastWrite_ms = Number.NEGATIVE_INFINITY;
  /** Reported to other controllers, to be read. */
  #told = new Set<string>();
  #reading: Promise<void> | undefined;
  /** What takes its time, and nobody waits for but who closes. */
  readonly #underWay = new Set<Promise<void>>();
  #closed = false;

  constructor(store: Store, log: StoreLog) {
    this.#store = store;
    this.#log = log;
  }

  /** Reads what there is, and keeps up with other controllers from now on. */
  async open(): Promise<void> {
    const { bus, shared } = this.#store;
    this.#ends.push(
      bus.subscribe('report', (text, sender) => (sender === 'self' ? undefined : this.#hear(text))),
      bus.onGap(() => this.#reload()),
    );
    await this.#load();
    if (!shared) return;
    const readSeen = (): void => this.#track(this.#readSeen());
    const timer = setInterval(readSeen, OTHERS_SEEN_MS).unref();
    this.#ends.push(() => clearInterval(timer));
  }

  get(host: string): HostRecord | undefined {
    return this.#records.get(host);
  }

  records(): ReadonlyMap<string, HostRecord> {
    return this.#records;
  }

  /** Called with the hosts whose reports have come, here or at another controller, once they can be read here. */
  onReport(listener: (hosts: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  seen(host: string, now_ms: number): void {
    this.#records.set(host, { addresses: [], ...this.#records.get(host), lastSeen_ms: now_ms });
    this.#seen.add(host);
    if (!this.#closed) this.#seenTimer ??= setTimeout(() => this.#track(this.#writeSeen()), SEEN_GATHERED_MS);
  }

  /** Keeps a report; resolves once it is in the store. Tells whether the addresses of the host are other ones now. */
  add(report: Report, now_ms: number): Promise<{ readonly addressesChanged: boolean }> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ report, now_ms, done: resolve, failed: reject });
      this.#writing ??= this.#writeReports();
    });
  }

  /** The last report of a host, whole. */
  async lastReport(host: string): Promise<Report | undefined> {
    const query = this.#store.db.selectFrom('reports').select('report').where('host', '=', host);
    const row = await query.executeTakeFirst();
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), reportSchema), row?.report);
    return parsed.success ? parsed.output : undefined;
  }

  /** Hosts that have not been heard of since: other controllers do the same for themselves. */
  async forget(before_ms: number): Promise<void> {
    const gone = [...this.#records].filter(([, { lastSeen_ms }]) => lastSeen_ms < before_ms).map(([host]) => host);
    for (const batch of batchesOf(gone.sort())) {
      const { db } = this.#store;
      await db.deleteFrom('reports').where('host', 'in', batch).execute();
      await db.deleteFrom('hosts').where('host', 'in', batch).where('last_seen_ms', '<', before_ms).execute();
      for (const host of batch) this.#records.delete(host);
    }
  }

  /** Writes what is not yet written. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const end of this.#ends) end();
    await this.#writing;
    await this.#reading;
    await Promise.all(this.#underWay);
    await this.#writeSeen();
  }

  async #writeReports(): Promise<void> {
    while (this.#waiting.length > 0) {
      const pause_ms = this.#lastWrite_ms + REPORTS_GATHERED_MS - performance.now();
      if (pause_ms > 0 && this.#waiting.length < REPORTS_PER_WRITE && !this.#closed) {
        await new Promise((resolve) => {
          setTimeout(resolve, pause_ms);
        });
      }
      await this.#writeBatch(this.#waiting.splice(0, REPORTS_PER_WRITE));
      this.#lastWrite_ms = performance.now();
    }
    this.#writing = undefined;
  }

  async #writeBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const news = this.#newsOf(batch);
      await this.#store.db.transaction().execute((db) => write(db, news));
      for (const [host, record] of news.records) {
        const lastSeen_ms = Math.max(record.lastSeen_ms, this.#records.get(host)?.lastSeen_ms ?? 0);
        this.#records.set(host, { ...record, lastSeen_ms });
      }
      for (const [index, { done }] of batch.entries()) done({ addressesChanged: news.moved.has(index) });
      const hosts = [...news.records.keys()];
      this.#tell(hosts);
      for (const some of batchesOf(hosts, HOSTS_PER_MESSAGE)) this.#publish(some);
    } catch (error) {
      for (const { failed } of batch) failed(error);
    }
  }

  #newsOf(batch: readonly Waiting[]): News {
    const news = { records: new Map<string, HostRecord>(), reports: new Map<string, Report>() };
    const runs: Insertable<RunsTable>[] = [];
    const moved = new Set<number>();
    for (const [index, { report, now_ms }] of batch.entries()) {
      const { host, facts } = report;
      const before = news.records.get(host) ?? this.#records.get(host);
      const known = before?.addresses ?? [];
      const addresses = facts === undefined ? known : usableAddresses(facts.addresses);
      if (addresses.join() !== known.join()) moved.add(index);
      const summary = summaryOf(report);
      const run = runOf(report, summary, before?.summary, now_ms);
      if (run !== undefined) runs.push(run);
      news.records.set(host, { lastSeen_ms: now_ms, lastReport_ms: now_ms, addresses, summary });
      news.reports.set(host, report);
    }
    return { ...news, runs, moved };
  }

  #publish(hosts: readonly string[]): void {
    // Where it fails, the others read everything after the gap.
    this.#track(this.#store.bus.publish('report', JSON.stringify(hosts)));
  }

  #track(work: Promise<void>): void {
    const done = work.catch((error: unknown) => this.#complain(error)).finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  #tell(hosts: readonly string[]): void {
    for (const listener of this.#listeners) listener(hosts);
  }

  async #writeSeen(): Promise<void> {
    clearTimeout(this.#seenTimer);
    const rows = [...this.#seen].sort().map((host) => ({
      host,
      last_seen_ms: this.#records.get(host)?.lastSeen_ms ?? 0,
      addresses: '[]',
    }));
    this.#seen.clear();
    try {
      for (const batch of batchesOf(rows)) {
        const insert = this.#store.db.insertInto('hosts').values(batch);
        await insert
          .onConflict((conflict) =>
            conflict.column('host').doUpdateSet((set) => ({ last_seen_ms: set.ref('excluded.last_seen_ms') })),
          )
          .execute();
      }
    } catch (error) {
      this.#complain(error);
    }
    this.#seenTimer = undefined;
    if (this.#seen.size > 0 && !this.#closed) {
      this.#seenTimer = setTimeout(() => this.#track(this.#writeSeen()), SEEN_GATHERED_MS);
    }
  }

  async #load(): Promise<void> {
    const rows = await this.#store.db.selectFrom('hosts').selectAll().execute();
    for (const row of rows) this.#take(row);
  }

  async #reload(): Promise<void> {
    await this.#load();
    this.#tell([...this.#records.keys()]);
  }

  #take({ host, last_seen_ms, last_report_ms, addresses, summary }: HostsTable): void {
    const parsed = v.safeParse(addressesSchema, addresses);
    const short = summary === null ? undefined : parseSummary(summary);
    this.#records.set(host, {
      lastSeen_ms: Math.max(last_seen_ms, this.#records.get(host)?.lastSeen_ms ?? 0),
      ...(last_report_ms === null ? {} : { lastReport_ms: last_report_ms }),
      addresses: parsed.success ? parsed.output : [],
      ...(short === undefined ? {} : { summary: short }),
    });
  }

  #hear(text: string): void {
    for (const host of v.parse(addressesSchema, text)) this.#told.add(host);
    this.#reading ??= this.#readTold();
  }

  async #readTold(): Promise<void> {
    try {
      while (this.#told.size > 0 && !this.#closed) {
        const hosts = [...this.#told];
        this.#told.clear();
        for (const batch of batchesOf(hosts)) {
          const rows = await this.#store.db.selectFrom('hosts').selectAll().where('host', 'in', batch).execute();
          for (const row of rows) this.#take(row);
        }
        this.#tell(hosts);
      }
    } catch (error) {
      this.#complain(error);
    }
    this.#reading = undefined;
  }

  /** Reports are told of, other requests are not. */
  async #readSeen(): Promise<void> {
    const rows = await this.#store.db.selectFrom('hosts').select(['host', 'last_seen_ms']).execute();
    for (const { host, last_seen_ms } of rows) {
      const known = this.#records.get(host);
      if (known === undefined || known.lastSeen_ms >= last_seen_ms) continue;
      this.#records.set(host, { ...known, lastSeen_ms: last_seen_ms });
    }
  }

  #complain(error: unknown): void {
    this.#log.warn(
      { reason: error instanceof Error ? error.message : String(error) },
      'what hosts told is not yet kept',
    );
  }
}

async function write(db: Kysely<Tables>, { records, reports, runs }: News): Promise<void> {
  // In one order everywhere, so that two controllers wait for each other instead of both failing.
  const rows = [...records]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([host, { lastSeen_ms, lastReport_ms, addresses, summary }]) => ({
      host,
      last_seen_ms: lastSeen_ms,
      last_report_ms: lastReport_ms ?? null,
      addresses: JSON.stringify(addresses),
      summary: JSON.stringify(summary),
    }));
  await db
    .insertInto('hosts')
    .values(rows)
    .onConflict((conflict) =>
      conflict.column('host').doUpdateSet((set) => ({
        last_seen_ms: set.ref('excluded.last_seen_ms'),
        last_report_ms: set.ref('excluded.last_report_ms'),
        addresses: set.ref('excluded.addresses'),
        summary: set.ref('excluded.summary'),
      })),
    )
    .execute();
  await db
    .insertInto('reports')
    .values(rows.map(({ host }) => ({ host, report: JSON.stringify(reports.get(host)) })))
    .onConflict((conflict) => conflict.column('host').doUpdateSet((set) => ({ report: set.ref('excluded.report') })))
    .execute();
  for (const batch of batchesOf(runs)) await db.insertInto('runs').values(batch).execute();
}

/** Without loopback and link-local addresses, by which no other host reaches this one. */
function usableAddresses(addresses: readonly { readonly address: string }[]): readonly string[] {
  return addresses
    .map(({ address }) => address.toLowerCase())
    .filter((address) => !/^(?:127\.|169\.254\.|::1$|fe[89ab][0-9a-f]:)/.test(address));
}

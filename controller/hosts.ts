import type { Report } from '../desired-state/schema/report.ts';
import type { HostFacts } from './compile/address.ts';
import type { Intake } from './intake/intake.ts';
import type { Rollouts } from './rollout/rollouts.ts';
import type { Withheld } from './rollout/waiting-hosts.ts';
import type { Serving } from './serving.ts';
import type { HostRecord, HostRecords } from './store/host-records.ts';
import type { ServedManifest } from './store/served-tables.ts';

/** In one word, what an operator wants to know of a host. The first that fits, from the worst. */
export type HostState =
  | 'never-seen'
  | 'silent'
  | 'failed'
  | 'pending'
  | 'behind'
  | 'paused'
  | 'drifted'
  | 'converging'
  | 'converged';

export interface HostStatus {
  readonly host: string;
  readonly state: HostState;
  readonly environment?: string;
  readonly roles?: readonly string[];
  /** What the host shall run, and what it said that it runs. */
  readonly wantedRevision?: string;
  readonly runningRevision?: string;
  /** Why it is not converged, in words. */
  readonly why?: string;
  readonly lastSeen_ms?: number;
  readonly lastReport_ms?: number;
  readonly resources?: Readonly<Record<string, number>>;
  readonly agentVersion?: string;
}

export interface HostsOptions {
  readonly records: HostRecords;
  readonly intake: () => Intake;
  readonly serving: Pick<Serving, 'get' | 'hosts'>;
  readonly rollouts: Pick<Rollouts, 'withheld'>;
  readonly now_ms: () => number;
  /** A host that has not been heard of for this long is silent. */
  readonly silentAfter_ms: number;
}

/** What is known of the hosts: desired by git, heard from their agents. */
export class Hosts {
  readonly #options: HostsOptions;

  constructor(options: HostsOptions) {
    this.#options = options;
  }

  /** The host's agent has made a request; of a host that git does not know, nothing is kept. */
  seenIfKnown(host: string): void {
    const { records, intake, now_ms } = this.#options;
    if (intake().knows(host)) records.seen(host, now_ms());
  }

  report(report: Report): Promise<{ readonly addressesChanged: boolean }> {
    const { records, now_ms } = this.#options;
    return records.add(report, now_ms());
  }

  facts(): ReadonlyMap<string, HostFacts> {
    return new Map([...this.#options.records.records()].map(([host, { addresses }]) => [host, { addresses }]));
  }

  record(host: string): HostRecord | undefined {
    return this.#options.records.get(host);
  }

  lastReport(host: string): Promise<Report | undefined> {
    return this.#options.records.lastReport(host);
  }

  statuses(): readonly HostStatus[] {
    const intake = this.#options.intake();
    const names = new Set([...this.#options.serving.hosts().keys(), ...(intake.wanted?.hosts ?? [])]);
    return [...names].sort().map((host) => this.status(host));
  }

  status(host: string): HostStatus {
    const { intake, serving, rollouts } = this.#options;
    const record = this.record(host);
    const served = serving.get(host);
    const withheld = rollouts.withheld(host);
    const summary = record?.summary;
    const reasons = intake().pending.get(host)?.reasons;
    const { state, why } = this.#judge({ record, served, withheld, reasons });
    const wanted = withheld?.revision ?? served?.newestRevision;
    const running = runsServed(record, served) ? served?.newestRevision : summary?.runningRevision;
    return {
      host,
      state,
      ...(served === undefined ? {} : { environment: served.environment, roles: served.roles }),
      ...(wanted === undefined ? {} : { wantedRevision: wanted }),
      ...(running === undefined ? {} : { runningRevision: running }),
      ...(why === undefined ? {} : { why }),
      ...(record === undefined ? {} : { lastSeen_ms: record.lastSeen_ms }),
      ...(record?.lastReport_ms === undefined ? {} : { lastReport_ms: record.lastReport_ms }),
      ...(summary?.run === undefined ? {} : { resources: summary.run.counts }),
      ...(summary === undefined ? {} : { agentVersion: summary.agentVersion }),
    };
  }

  #judge(known: {
    readonly record: HostRecord | undefined;
    readonly served: ServedManifest | undefined;
    readonly withheld: Withheld | undefined;
    readonly reasons: readonly string[] | undefined;
  }): { readonly state: HostState; readonly why?: string } {
    const { record, served, withheld, reasons } = known;
    if (record === undefined) return { state: 'never-seen', why: reasons?.join('; ') ?? 'its agent has never called' };
    const quiet_ms = this.#options.now_ms() - record.lastSeen_ms;
    if (quiet_ms > this.#options.silentAfter_ms) {
      return { state: 'silent', why: `its agent has not called for ${Math.round(quiet_ms / 1000)} s` };
    }
    if (reasons !== undefined) return { state: 'pending', why: reasons.join('; ') };
    const { summary } = record;
    if (summary === undefined) return { state: 'converging', why: 'its agent has not reported yet' };
    const { run, pause } = summary;
    if (run?.broken !== undefined) return { state: 'failed', why: run.broken };
    if (pause !== undefined) return { state: 'paused', why: `by ${pause.by}: ${pause.why}` };
    if (withheld !== undefined) return { state: 'behind', why: withheld.reason };
    if (!runsServed(record, served))
      return { state: 'behind', why: summary.whyDifferent ?? 'it has not reported the new revision yet' };
    if (run?.drifted !== undefined) return { state: 'drifted', why: run.drifted };
    if (run === undefined) return { state: 'converging' };
    return run.open === undefined ? { state: 'converged' } : { state: 'converging', why: run.open };
  }
}

/** Whether the last report is about what the host is served now, whatever revision says so. */
function runsServed(record: HostRecord | undefined, served: ServedManifest | undefined): boolean {
  const { run, runningRevision } = record?.summary ?? {};
  if (served === undefined) return false;
  if (run?.sequence !== undefined) return run.sequence >= served.sequence;
  return runningRevision === served.revision || runningRevision === served.newestRevision;
}

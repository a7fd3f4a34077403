import type { HostRecord } from '../store/host-records.ts';

/** What is heard of a host, as far as a rollout is concerned. */
export interface HostFact {
  /** When its agent last made a request, in milliseconds since the epoch; absent where it never did. */
  readonly seen_ms?: number;
  readonly report?: {
    readonly at_ms: number;
    /** Whether it speaks of the manifest that the host is served now. */
    readonly current: boolean;
    readonly outcome: 'converged' | 'converging' | 'failed';
    /** What failed, or what is waited for. */
    readonly why?: string;
    /** Who has paused it, and why. */
    readonly paused?: string;
  };
  /** It is no host of the desired state any more. */
  readonly gone?: true;
}

/** What the host is served now. */
export interface Given {
  readonly revision: string;
  readonly sequence: number;
  readonly since_ms: number;
}

/** What a host's last report says of what it is served. Pure. */
export function factOf(record: HostRecord | undefined, given: Given | undefined): HostFact {
  if (record === undefined) return {};
  const { lastSeen_ms: seen_ms, lastReport_ms: at_ms, summary } = record;
  if (given === undefined || summary === undefined || at_ms === undefined) return { seen_ms };
  const { pause, run } = summary;
  const paused = pause === undefined ? {} : { paused: `paused by ${pause.by}: ${pause.why}` };
  // An agent that does not know of sequences says at least which revision it runs.
  const current =
    run !== undefined &&
    (run.sequence === undefined ? run.revision === given.revision : run.sequence >= given.sequence);
  if (!current && summary.refused !== undefined && at_ms >= given.since_ms) {
    const report = { at_ms, current: true, outcome: 'failed' as const, why: `refused: ${summary.refused}`, ...paused };
    return { seen_ms, report };
  }
  return { seen_ms, report: { at_ms, current, ...judge(run), ...paused } };
}

type Run = NonNullable<NonNullable<HostRecord['summary']>['run']>;

/**
 * What is only reported and not repaired (mode `report`) is in order as far as it goes. A retry that is not due yet is no
 * failure by itself: the failure before it was one.
 */
function judge(run: Run | undefined): {
  readonly outcome: 'converged' | 'converging' | 'failed';
  readonly why?: string;
} {
  if (run === undefined) return { outcome: 'converging' };
  if (run.broken !== undefined) return { outcome: 'failed', why: run.broken.split('\n')[0] ?? run.broken };
  const open = (['waiting', 'blocked'] as const).find((status) => (run.counts[status] ?? 0) > 0);
  if (open !== undefined) return { outcome: 'converging', why: `${run.counts[open]} resources are ${open}` };
  return { outcome: run.dryRun ? 'converging' : 'converged' };
}

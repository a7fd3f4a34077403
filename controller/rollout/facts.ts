import type { Report } from '../../desired-state/schema/report.ts';

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

/** The part of a report that a rollout needs; small, because it is kept for every host. */
export interface Heard {
  readonly at_ms: number;
  /** Of the manifest that the run was about. */
  readonly sequence?: number;
  readonly revision?: string;
  readonly outcome: 'converged' | 'converging' | 'failed';
  readonly why?: string;
  readonly paused?: string;
  /** It has refused what it was last offered, and says why. */
  readonly refused?: string;
}

export function heardOf(report: Report, at_ms: number): Heard {
  const { run, pause, refused } = report;
  const { outcome, why } = judge(report);
  return {
    at_ms,
    ...(run?.sequence === undefined ? {} : { sequence: run.sequence }),
    ...(run === undefined ? {} : { revision: run.revision }),
    outcome,
    ...(why === undefined ? {} : { why }),
    ...(pause === undefined ? {} : { paused: `paused by ${pause.by}: ${pause.why}` }),
    ...(refused === undefined ? {} : { refused }),
  };
}

/**
 * What only is reported and not repaired (mode `report`) is in order as far as it goes. A retry that is not due yet is no
 * failure by itself: the failure before it was one.
 */
function judge({ run }: Report): { readonly outcome: Heard['outcome']; readonly why?: string } {
  if (run === undefined) return { outcome: 'converging' };
  const broken = run.resources.find(({ status }) => status === 'failed' || status === 'stalled');
  if (broken !== undefined) {
    return { outcome: 'failed', why: `${broken.kind}/${broken.name}: ${firstLine(broken.error ?? broken.status)}` };
  }
  const open = run.resources.find(({ status }) => status === 'waiting' || status === 'blocked');
  if (open !== undefined) return { outcome: 'converging', why: `${open.kind}/${open.name} is ${open.status}` };
  return { outcome: run.dryRun ? 'converging' : 'converged' };
}

const MAX_WHY_CHARACTERS = 500;

function firstLine(text: string): string {
  const line = text.split('\n')[0] ?? '';
  return line.length <= MAX_WHY_CHARACTERS ? line : `${line.slice(0, MAX_WHY_CHARACTERS)}…`;
}

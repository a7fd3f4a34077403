import type { ResourceRef } from '../resource.ts';
import type { Look } from './look.ts';
import type { Verdict } from './retry.ts';
import type { ResourceResult } from './types.ts';

/** What follows from a result: for the memory, for the resources that come after, and for the report. */

const CONVERGED: Verdict = { is: 'converged' };

/** `plan` is the text of the plan that it stalled on, where it stalled while it was applied. */
export function verdictOf(result: Pick<ResourceResult, 'status' | 'error'>, plan?: string): Verdict {
  const error = result.error ?? '';
  switch (result.status) {
    case 'converged':
    case 'changed':
      return CONVERGED;
    case 'failed':
      return { is: 'failed', error };
    case 'stalled':
      return plan === undefined ? { is: 'not tried' } : { is: 'stalled', error, plan };
    case 'drifted':
    case 'waiting':
    case 'blocked':
      return { is: 'not tried' };
  }
}

/** The resource at the root of the trouble that keeps dependents from being applied; `undefined` where there is none. */
export function troubleOf(result: ResourceResult): ResourceRef | undefined {
  switch (result.status) {
    case 'failed':
    case 'stalled':
    case 'waiting':
      return { kind: result.kind, name: result.name };
    case 'blocked':
      return result.blockedBy;
    case 'converged':
    case 'changed':
    case 'drifted':
      return undefined;
  }
}

/** One result of what two passes of a run did with a resource. */
export function merged(earlier: ResourceResult | undefined, later: ResourceResult): ResourceResult {
  if (earlier === undefined) return later;
  if (later.status === 'converged') return earlier;
  const cause = earlier.cause ?? later.cause;
  return {
    ...later,
    changes: [...earlier.changes, ...later.changes],
    ...(cause === undefined ? {} : { cause }),
    duration_ms: earlier.duration_ms + later.duration_ms,
  };
}

export function summaries(look: Look): readonly string[] {
  return look.changes.map((change) => change.summary);
}

/** Tells two plans of a resource apart. */
export function planText(look: Look): string {
  return look.changes.map((change) => `${change.summary}\n${change.diff ?? ''}`).join('\n');
}

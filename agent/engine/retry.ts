/** All retry policy. A resource kind never retries; it only says by the type of its error what follows. */

export interface RetryPolicy {
  readonly first_ms: number;
  readonly max_ms: number;
}

/** What the engine remembers of one resource between reconciles. */
export interface Memory {
  /** It has been converged under its present declaration. */
  readonly converged: boolean;
  /** Failures in a row. */
  readonly failures: number;
  /** Not applied before this moment, in milliseconds since the epoch. */
  readonly retryAt_ms: number;
  /** Not applied while the plan reads like this: it stalled on it. */
  readonly stalledOn: string | undefined;
  readonly error: string | undefined;
}

export const BLANK: Memory = { converged: false, failures: 0, retryAt_ms: 0, stalledOn: undefined, error: undefined };
export const CONVERGED: Memory = { ...BLANK, converged: true };

export type Verdict =
  | { readonly is: 'converged' }
  | { readonly is: 'failed'; readonly error: string }
  | { readonly is: 'stalled'; readonly error: string; readonly plan: string }
  | { readonly is: 'not tried' };

/** What to remember after a resource was tried. */
export function remember(
  before: Memory,
  verdict: Verdict,
  policy: RetryPolicy,
  now_ms: number,
  random: () => number,
): Memory {
  switch (verdict.is) {
    case 'converged':
      return CONVERGED;
    case 'failed': {
      const failures = before.failures + 1;
      const retryAt_ms = now_ms + backoff_ms(failures, policy, random);
      return { converged: before.converged, failures, retryAt_ms, stalledOn: undefined, error: verdict.error };
    }
    case 'stalled':
      return { ...BLANK, converged: before.converged, stalledOn: verdict.plan, error: verdict.error };
    case 'not tried':
      return before;
  }
}

/** A new revision is a reason to try at once; what was converged stays so where the declaration is the same. */
export function onNewRevision(before: Memory, sameDeclaration: boolean): Memory {
  return sameDeclaration && before.converged ? CONVERGED : BLANK;
}

/** Doubles from `first_ms` up to `max_ms`; of that, a random part between a half and the whole, so that hosts do not retry in step. */
export function backoff_ms(failures: number, policy: RetryPolicy, random: () => number): number {
  const full_ms = Math.min(policy.max_ms, policy.first_ms * 2 ** Math.min(failures - 1, 30));
  return Math.round(full_ms * (0.5 + random() / 2));
}

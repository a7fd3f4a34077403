/**
 * Delays between tries, with full jitter: each is drawn from zero to a doubling cap. So 10,000 agents that lost their
 * controller in the same second come back spread over the whole cap: about 1,000 a second at the first try (10 s) and
 * 170 a second once the cap is reached (60 s).
 */
export interface BackoffOptions {
  readonly first_ms: number;
  readonly max_ms: number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** The delay before the next try, in milliseconds. `atLeast_ms`: what the other side asked for. */
  next_ms(atLeast_ms = 0): number {
    const { first_ms, max_ms, random = Math.random } = this.#options;
    const cap_ms = Math.min(max_ms, first_ms * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return Math.min(atLeast_ms, max_ms) + Math.round(random() * cap_ms);
  }

  reset(): void {
    this.#failures = 0;
  }
}

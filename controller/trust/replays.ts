const KEPT = 16;

/**
 * Which reports of a host were taken lately, by the moment that the agent wrote on them. An agent whose answer was lost sends
 * its report again, and so would somebody who recorded it: neither may count twice, or bring an old state back.
 */
export class Replays {
  readonly #taken = new Map<string, number[]>();

  /** Whether it was taken before; from now on it was. */
  isRepeated(host: string, sentAt_ms: number): boolean {
    const taken = this.#taken.get(host) ?? [];
    if (taken.includes(sentAt_ms)) return true;
    this.#taken.set(host, [...taken, sentAt_ms].slice(-KEPT));
    return false;
  }

  /** It could not be kept after all: it may be sent again. */
  forget(host: string, sentAt_ms: number): void {
    this.#taken.set(
      host,
      (this.#taken.get(host) ?? []).filter((one) => one !== sentAt_ms),
    );
  }
}

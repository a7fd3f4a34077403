/** What another controller knew of addresses when it compiled cannot be told: whoever has moved may have moved since. */
const UNKNOWN_MS = 0;

/** Whose addresses go into manifests, and who has reported others before that was known. */
export class AskedAddresses {
  readonly #asked = new Set<string>();
  /** By host: when it was, by `performance.now()`. */
  readonly #moved = new Map<string, number>();

  /** The host has reported other addresses. Returns whether they go into a manifest, as far as it is known yet. */
  moved(host: string): boolean {
    const isAsked = this.#asked.has(host);
    if (!isAsked) this.#moved.set(host, performance.now());
    return isAsked;
  }

  /**
   * Learns whose addresses a compilation has asked for that knew all addresses as of `facts_ms`. Returns whether one of
   * them has reported others since: then what was compiled is outdated.
   */
  learn(asked: Iterable<string>, facts_ms = UNKNOWN_MS): boolean {
    let isOutdated = false;
    for (const host of asked) {
      this.#asked.add(host);
      if ((this.#moved.get(host) ?? -1) >= facts_ms) isOutdated = true;
      this.#moved.delete(host);
    }
    return isOutdated;
  }
}

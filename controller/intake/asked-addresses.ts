import { isDeepStrictEqual } from 'node:util';
import type { HostFacts } from '../compile/address.ts';

/** Whose addresses go into manifests, and who has reported others to this controller. */
export class AskedAddresses {
  readonly #facts: () => ReadonlyMap<string, HostFacts>;
  /** Since this process began. */
  readonly #asked = new Set<string>();
  readonly #moved = new Set<string>();

  /** `facts`: what hosts have reported by now. */
  constructor(facts: () => ReadonlyMap<string, HostFacts>) {
    this.#facts = facts;
  }

  /** The host has reported other addresses. Returns whether they go into a manifest, as far as it is known yet. */
  moved(host: string): boolean {
    this.#moved.add(host);
    return this.#asked.has(host);
  }

  /**
   * Learns whose addresses a compilation has asked for, here or at another controller, and which it was made with. Returns
   * whether it is outdated: one of them has reported others to this controller by now. What is told to another one is that
   * one's to see.
   */
  learn(asked: ReadonlyMap<string, readonly string[]>): boolean {
    for (const host of asked.keys()) this.#asked.add(host);
    const moved = [...this.#moved].filter((host) => asked.has(host));
    if (moved.length === 0) return false;
    const facts = this.#facts();
    return moved.some((host) => !isDeepStrictEqual(facts.get(host)?.addresses ?? [], asked.get(host)));
  }
}

import { isIPv6 } from 'node:net';

/** So many failures at once from one address, and then one in so long, are answered and written down; more are only refused. */
const BURST = 10;
const REFILL_MS = 6_000;
/** All addresses together: a botnet fills neither the log nor the database. */
const BURST_OF_ALL = 300;
const REFILL_OF_ALL_MS = 200;
const MAX_ADDRESSES = 10_000;

interface Bucket {
  left: number;
  at_ms: number;
}

/**
 * Failed attempts to authenticate, by address. Only failures are limited: whoever holds a good credential is let in
 * whatever others behind the same address do, and 256 bits cannot be guessed at any speed.
 */
export class Failures {
  readonly #now_ms: () => number;
  readonly #buckets = new Map<string, Bucket>();
  readonly #all: Bucket;

  constructor(now_ms: () => number) {
    this.#now_ms = now_ms;
    this.#all = { left: BURST_OF_ALL, at_ms: now_ms() };
  }

  /** Counts a failure. `undefined`: to be answered and written down; otherwise seconds until the next one will be. */
  count(address: string): number | undefined {
    const now = this.#now_ms();
    const key = keyOf(address);
    const bucket = this.#buckets.get(key) ?? { left: BURST, at_ms: now };
    // Those that failed lately stay: a Map is in the order of its insertions.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_ADDRESSES) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    const own = take(bucket, { now, burst: BURST, refill_ms: REFILL_MS });
    const all = take(this.#all, { now, burst: BURST_OF_ALL, refill_ms: REFILL_OF_ALL_MS });
    return own && all ? undefined : Math.ceil(REFILL_MS / 1000);
  }

  get size(): number {
    return this.#buckets.size;
  }
}

function take(bucket: Bucket, { now, burst, refill_ms }: { now: number; burst: number; refill_ms: number }): boolean {
  bucket.left = Math.min(burst, bucket.left + Math.max(0, now - bucket.at_ms) / refill_ms);
  bucket.at_ms = now;
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}

/** One customer has a whole /64 of IPv6. */
function keyOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [head = '', tail = ''] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === '' ? [] : tail.split(':');
  const zeros = address.includes('::') ? Array.from({ length: 8 - front.length - back.length }, () => '0') : [];
  return [...front, ...zeros, ...back].slice(0, 4).join(':');
}

import { stat, statfs } from 'node:fs/promises';
import { availableParallelism, loadavg, networkInterfaces } from 'node:os';
import type { Facts } from '../../desired-state/schema/report.ts';

/** What a report says of the machine. Addresses cost nothing; the rest is looked at anew only after a long while. */
export class FactSource {
  #slow: Omit<Facts, 'addresses'> = {};
  #looked_ms = Number.NEGATIVE_INFINITY;

  async read(): Promise<Facts> {
    const now = performance.now();
    if (now - this.#looked_ms > SLOW_EVERY_MS) {
      this.#looked_ms = now;
      this.#slow = await slowFacts();
    }
    return { addresses: addresses(), ...this.#slow };
  }
}

const SLOW_EVERY_MS = 15 * 60_000;
const MOUNTS = ['/', '/var', '/home', '/srv'] as const;
const MAX_ADDRESSES = 64;

function addresses(): Facts['addresses'] {
  return Object.entries(networkInterfaces())
    .flatMap(([name, list]) => (list ?? []).map((item) => ({ name, ...item })))
    .filter(({ internal, scopeid }) => !internal && (scopeid === undefined || scopeid === 0))
    .slice(0, MAX_ADDRESSES)
    .map(({ name, address, family }) => ({ interface: name, address, family: family === 'IPv6' ? 6 : 4 }) as const);
}

/** A fact that cannot be had is left out: nothing depends on it. */
async function slowFacts(): Promise<Omit<Facts, 'addresses'>> {
  const [memory, fileSystems] = await Promise.allSettled([memoryFacts(), fileSystemFacts()]);
  return {
    ...(memory.status === 'fulfilled' ? { memory: memory.value } : {}),
    load_percent: loadFact(),
    ...(fileSystems.status === 'fulfilled' ? { fileSystems: fileSystems.value } : {}),
  };
}

/** Not the whole of systeminformation: its other parts cost memory, and some of them block the event loop. */
async function memoryFacts(): Promise<NonNullable<Facts['memory']>> {
  const { mem } = await import('systeminformation/lib/memory.js');
  const { total, available } = await mem();
  return { total_bytes: total, available_bytes: available };
}

/** The load average of a minute by processor. Not systeminformation's, which blocks the event loop for a `cat`. */
function loadFact(): number {
  return Math.round(((loadavg()[0] ?? 0) / availableParallelism()) * 1000) / 10;
}

/** By `statfs`; systeminformation would start `df`. One line per file system, by the first folder that lies on it. */
async function fileSystemFacts(): Promise<NonNullable<Facts['fileSystems']>> {
  const found = new Map<number, NonNullable<Facts['fileSystems']>[number]>();
  for (const mount of MOUNTS) {
    const [place, space] = await Promise.all([stat(mount), statfs(mount)]).catch(() => []);
    if (place === undefined || space === undefined || found.has(place.dev)) continue;
    const { blocks, bfree, bsize } = space;
    found.set(place.dev, { mount, size_bytes: blocks * bsize, used_bytes: (blocks - bfree) * bsize });
  }
  return [...found.values()];
}

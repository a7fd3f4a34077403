import { statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
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
  const [memory, load, fileSystems] = await Promise.allSettled([memoryFacts(), loadFact(), fileSystemFacts()]);
  return {
    ...(memory.status === 'fulfilled' ? { memory: memory.value } : {}),
    ...(load.status === 'fulfilled' ? { load_percent: load.value } : {}),
    ...(fileSystems.status === 'fulfilled' ? { fileSystems: fileSystems.value } : {}),
  };
}

/** Not the whole of systeminformation: its other parts cost memory, and some of them block the event loop. */
async function memoryFacts(): Promise<NonNullable<Facts['memory']>> {
  const { mem } = await import('systeminformation/lib/memory.js');
  const { total, available } = await mem();
  return { total_bytes: total, available_bytes: available };
}

async function loadFact(): Promise<number> {
  const { currentLoad } = await import('systeminformation/lib/cpu.js');
  const { currentLoad: percent } = await currentLoad();
  return Math.round(percent * 10) / 10;
}

/** By `statfs`; systeminformation would start `df`. One line per file system, by the first folder that lies on it. */
async function fileSystemFacts(): Promise<NonNullable<Facts['fileSystems']>> {
  const found = new Map<string, NonNullable<Facts['fileSystems']>[number]>();
  for (const mount of MOUNTS) {
    const stats = await statfs(mount).catch(() => undefined);
    if (stats === undefined) continue;
    const size_bytes = stats.blocks * stats.bsize;
    const used_bytes = (stats.blocks - stats.bfree) * stats.bsize;
    const identity = `${stats.type} ${size_bytes} ${used_bytes}`;
    if (!found.has(identity)) found.set(identity, { mount, size_bytes, used_bytes });
  }
  return [...found.values()];
}

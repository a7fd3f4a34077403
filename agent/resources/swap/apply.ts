import { dirname } from 'node:path';
import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { sizeText } from './describe.ts';
import type { SwapChange } from './diff.ts';
import { FSTAB, unfinishedPath } from './observe.ts';

const OWNED = { uid: 0, gid: 0, mode: 0o600 };
/** What has to stay free on the file system: a full root is worse than no swap. */
const RESERVE_BYTES = 64 * 1024 ** 2;
/** Writing 512 MiB to a slow disk, and reading as much back from it, take their time. */
const SLOW_TIMEOUT_MS = 600_000;

export async function apply(change: SwapChange, host: Host): Promise<void> {
  switch (change.type) {
    case 'clean':
      return host.files.remove(unfinishedPath(change.path));
    case 'blocked':
      throw new Stalled(`${change.by} stands at ${change.path}: move it away, or declare another path`);
    case 'create':
      return create(change, host);
    case 'own':
      return host.files.setOwnership(change.path, OWNED);
    case 'off':
      return turnOff(change.path, host);
    case 'on':
      return turnOn(change, host);
    case 'fstab': {
      const stat = await host.files.stat(FSTAB);
      return host.files.write(FSTAB, change.after, stat ?? { uid: 0, gid: 0, mode: 0o644 });
    }
    case 'remove':
      return host.files.remove(change.path);
  }
}

async function create(change: Extract<SwapChange, { type: 'create' }>, host: Host): Promise<void> {
  const { path, size_bytes } = change;
  const folder = dirname(path);
  const free_bytes = await host.files.freeSpace_bytes(folder);
  if (free_bytes < size_bytes + RESERVE_BYTES) {
    throw new Error(
      `a swap file of ${sizeText(size_bytes)} does not fit: ${folder} has ${sizeText(free_bytes)} free, and ${sizeText(RESERVE_BYTES)} shall stay`,
    );
  }
  const unfinished = unfinishedPath(path);
  try {
    await host.files.write(unfinished, '', OWNED);
    await allocate(unfinished, size_bytes, host);
    await host.run({ argv: ['mkswap', unfinished] });
    if (change.active) await turnOff(path, host);
    await host.files.rename(unfinished, path);
  } catch (error) {
    await host.files.remove(unfinished);
    throw error;
  }
}

/** Not every file system can reserve blocks; there they are written. */
async function allocate(path: string, size_bytes: number, host: Host): Promise<void> {
  const { code } = await host.run({ argv: ['fallocate', '--length', String(size_bytes), path], okCodes: [0, 1] });
  if (code !== 0) await writeZeros(path, size_bytes, host);
}

async function writeZeros(path: string, size_bytes: number, host: Host): Promise<void> {
  const count = `count=${size_bytes / 1024 ** 2}`;
  const argv = ['dd', 'if=/dev/zero', `of=${path}`, 'bs=1M', count, 'conv=notrunc,fsync', 'status=none'] as const;
  await host.run({ argv: [...argv], timeout_ms: SLOW_TIMEOUT_MS });
}

async function turnOn(change: Extract<SwapChange, { type: 'on' }>, host: Host): Promise<void> {
  const priority = change.priority === undefined ? [] : ['--priority', String(change.priority)];
  const swapon = () => host.run({ argv: ['swapon', ...priority, change.path], okCodes: [0, 255] });
  const first = await swapon();
  if (first.code === 0) return;
  refuseForbidden(first.stderr);
  // Some file systems leave holes where `fallocate` says that there are none, and the kernel refuses those.
  await writeZeros(change.path, change.size_bytes, host);
  await host.run({ argv: ['mkswap', change.path] });
  const second = await swapon();
  if (second.code === 0) return;
  throw new Error(`the kernel refuses ${change.path} as swap: ${second.stderr.trim()}; is its file system fit for it?`);
}

function refuseForbidden(stderr: string): void {
  if (!stderr.includes('Operation not permitted')) return;
  throw new Stalled(`this host may not turn swap on (${stderr.trim()}): in a container leave "containers: skip"`);
}

async function turnOff(path: string, host: Host): Promise<void> {
  await host.run({ argv: ['swapoff', path], timeout_ms: SLOW_TIMEOUT_MS });
}

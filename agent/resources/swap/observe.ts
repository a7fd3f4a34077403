import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import type { FileStat } from '../../host/files/port.ts';
import type { HostReader } from '../../host/host.ts';
import { escapePath } from './fstab.ts';

export type SwapSpec = SpecOf['swap'];

export const FSTAB = '/etc/fstab';

export interface SwapState {
  /** Why nothing is to be done on this host; `undefined` where the entry applies. */
  readonly exempt: 'container' | 'enough memory' | undefined;
  readonly file: FileStat | undefined;
  /** `undefined` where it is not in use. */
  readonly active: { readonly priority: number } | undefined;
  /** Whether the file holds a swap area; true without a look while it is in use. */
  readonly formatted: boolean;
  readonly fstab: string;
  /** A half-made file of a run that was killed. */
  readonly leftover: boolean;
}

/** Where a new file is made; it takes its name only when it is complete. */
export function unfinishedPath(path: string): string {
  return `${path}.holdfast`;
}

export async function observe(spec: SwapSpec, host: HostReader): Promise<SwapState> {
  const { files } = host;
  const [exempt, file, swaps, fstab, leftover] = await Promise.all([
    exemption(spec, host),
    files.stat(spec.name),
    files.readText('/proc/swaps'),
    files.readText(FSTAB),
    files.stat(unfinishedPath(spec.name)),
  ]);
  const active = activeArea(swaps ?? '', spec.name);
  const formatted =
    active !== undefined || (file?.type === 'file' && exempt === undefined && (await isFormatted(spec.name, host)));
  return { exempt, file, active, formatted, fstab: fstab ?? '', leftover: leftover !== undefined };
}

/** A line of /proc/swaps: path, type, size in KiB, used, priority. A file removed while in use shows as `PATH\040(deleted)`. */
export function activeArea(swaps: string, path: string): { readonly priority: number } | undefined {
  for (const line of swaps.split('\n').slice(1)) {
    const [name, , , , priority] = line.trim().split(/\s+/);
    if (name === escapePath(path)) return { priority: Number(priority) };
  }
  return undefined;
}

async function exemption(spec: SwapSpec, host: HostReader): Promise<SwapState['exempt']> {
  const inContainer = (await host.files.stat('/run/systemd/container')) !== undefined;
  if (inContainer && spec.containers === 'skip') return 'container';
  if (spec.ensure === 'absent' || spec.when_memory_below === undefined) return undefined;
  const memory = /^MemTotal:\s+(\d+) kB/m.exec((await host.files.readText('/proc/meminfo')) ?? '')?.[1];
  return Number(memory) * 1024 < spec.when_memory_below ? undefined : 'enough memory';
}

/** Starts a process, but only while the file is not in use, which is not the steady state. */
async function isFormatted(path: string, host: HostReader): Promise<boolean> {
  return (await host.probe({ argv: ['swaplabel', path], okCodes: [0, 1], timeout_ms: 10_000 })).code === 0;
}

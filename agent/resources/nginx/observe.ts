import { join } from 'node:path';
import type { FileReader } from '../../host/files/port.ts';
import type { HostReader } from '../../host/host.ts';
import type { UnitStatus } from '../../host/systemd/port.ts';
import { type NginxSpec, SHADOW, TREE, wantedEntries } from './layout.ts';
import { changesSince } from './staleness.ts';
import { currentWorkers } from './workers.ts';

/** What stands at a path of the tree. */
export type Found =
  | { readonly type: 'absent' }
  | { readonly type: 'file'; readonly text: string; readonly mode: number; readonly uid: number; readonly gid: number }
  | { readonly type: 'link'; readonly target: string }
  | { readonly type: 'other'; readonly what: string };

export interface NginxState {
  readonly unit: UnitStatus;
  /** By path, relative to the tree: every path that is declared. */
  readonly found: ReadonlyMap<string, Found>;
  /** What stands in sites-enabled and is not declared. */
  readonly unmanaged: ReadonlyMap<string, Found>;
  /** Paths that changed after the workers were started: they run another configuration than the one on disk. */
  readonly newerThanWorkers: readonly string[];
  /** A run was killed in the middle of a swap. */
  readonly leftover: boolean;
}

export async function observe(spec: NginxSpec, host: HostReader): Promise<NginxState> {
  const paths = wantedEntries(spec).map((wanted) => wanted.path);
  const links = await foreignSites(host.files, new Set(paths));
  const [unit, leftover, found, unmanaged] = await Promise.all([
    host.systemd.unit('nginx'),
    host.files.stat(SHADOW),
    lookAll(host.files, paths),
    lookAll(host.files, links),
  ]);
  return {
    unit,
    found,
    unmanaged,
    newerThanWorkers: await staleness(unit, host),
    leftover: leftover !== undefined,
  };
}

/** Names with a leading dot are no sites: nginx's own `include sites-enabled/*` passes them over. */
async function foreignSites(files: FileReader, declared: ReadonlySet<string>): Promise<readonly string[]> {
  const names = (await files.list(join(TREE, 'sites-enabled'))) ?? [];
  return names
    .filter((name) => !name.startsWith('.'))
    .map((name) => `sites-enabled/${name}`)
    .filter((path) => !declared.has(path));
}

async function staleness(unit: UnitStatus, host: HostReader): Promise<readonly string[]> {
  if (unit.mainPid === 0) return [];
  const workers = await currentWorkers(unit.mainPid, host.processes);
  if (workers.length === 0) return [];
  // The oldest one counts: a worker that crashed was replaced by the master, which runs what it read long ago.
  const oldest_ms = Math.min(...workers.map((worker) => worker.started_ms));
  return changesSince(host.files, oldest_ms, host.now());
}

async function lookAll(files: FileReader, paths: readonly string[]): Promise<ReadonlyMap<string, Found>> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await look(files, join(TREE, path))] as const)));
}

async function look(files: FileReader, path: string): Promise<Found> {
  const stat = await files.stat(path);
  if (stat === undefined) return { type: 'absent' };
  if (stat.type === 'symlink') return { type: 'link', target: (await files.readLink(path)) ?? '' };
  if (stat.type !== 'file') return { type: 'other', what: stat.type };
  const text = (await files.readText(path)) ?? '';
  return { type: 'file', text, mode: stat.mode, uid: stat.uid, gid: stat.gid };
}

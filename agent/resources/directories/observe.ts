import { posix } from 'node:path';
import type { FileReader } from '../../host/files/port.ts';
import type { HostReader } from '../../host/host.ts';
import { lookUpOwner } from '../shared/ownership.ts';
import type { DirectorySpec, DirectoryState, Unmanaged } from './state.ts';
import { findStrays } from './strays.ts';

/** Of the files port: names of its temporary files, which it removes itself when their process is dead. */
const TEMPORARY = /^\.holdfast-/;

export async function observe(spec: DirectorySpec, host: HostReader): Promise<DirectoryState> {
  const there = await host.files.stat(spec.name);
  const ids = await lookUpOwner(host.accounts, spec);
  const state = { there, ids, inhabited: false, unmanaged: [], strays: [] };
  if (there === undefined) return state;
  if (there.type === 'symlink') {
    return { ...state, inhabited: (await host.files.statTarget(spec.name))?.type === 'directory' };
  }
  if (there.type !== 'directory') return state;
  if (spec.ensure === 'absent') return { ...state, inhabited: await isInhabited(spec.name, host.files) };
  return {
    ...state,
    unmanaged: spec.purge ? await findUnmanaged(spec, host.files) : [],
    strays: spec.recurse === undefined ? [] : await findStrays(spec, there, ids, host.files),
  };
}

async function findUnmanaged(spec: DirectorySpec, files: FileReader): Promise<readonly Unmanaged[]> {
  // A path further below keeps the whole entry that leads to it.
  const kept = new Set(spec.keep.map((path) => path.split('/')[0]));
  const found: Unmanaged[] = [];
  for (const name of (await files.list(spec.name)) ?? []) {
    if (kept.has(name) || TEMPORARY.test(name)) continue;
    const path = posix.join(spec.name, name);
    const stat = await files.stat(path);
    if (stat === undefined) continue;
    found.push({ name, stat, inhabited: stat.type === 'directory' && (await isInhabited(path, files)) });
  }
  return found;
}

async function isInhabited(path: string, files: FileReader): Promise<boolean> {
  return ((await files.list(path)) ?? []).length > 0;
}

import type { HostReader } from '../../host/host.ts';
import { lookUpOwner } from '../shared/ownership.ts';
import { contentHash } from './content.ts';
import type { FileSpec, FileState } from './state.ts';

/** Beyond this a diff helps nobody and takes long to work out. */
const MAX_DIFF_BYTES = 128 * 1024;

export async function observe(spec: FileSpec, host: HostReader): Promise<FileState> {
  const there = await host.files.stat(spec.name);
  if (spec.ensure === 'absent') {
    const inhabited = there?.type === 'directory' ? await isInhabited(spec.name, host) : undefined;
    return { there, inhabited, ids: { uid: undefined, gid: undefined } };
  }
  const ids = await lookUpOwner(host.accounts, spec);
  if (there?.type === 'directory') return { there, ids, inhabited: await isInhabited(spec.name, host) };
  if (there?.type === 'symlink') return { there, ids, linkTarget: await host.files.readLink(spec.name) };
  if (there?.type !== 'file') return { there, ids };
  const hash = await host.files.hash(spec.name, there);
  if (hash === contentHash(spec)) return { there, ids, hash };
  const text = there.size_bytes > MAX_DIFF_BYTES ? undefined : await host.files.readText(spec.name);
  return { there, ids, hash, text };
}

async function isInhabited(path: string, host: HostReader): Promise<boolean> {
  return ((await host.files.list(path)) ?? []).length > 0;
}

import { join } from 'node:path';
import type { FileReader } from '../../host/files/port.ts';

/**
 * Which of `paths` changed after `since_ms`, by their ctime, which no program can set back. A link counts with what it
 * points to, a folder with its direct entries. A path where nothing is did not change.
 */
export async function changedSince(
  files: FileReader,
  paths: readonly string[],
  since_ms: number,
): Promise<readonly string[]> {
  const found = await Promise.all(
    paths.map(async (path) => ((await lastChange(files, path)) > since_ms ? path : undefined)),
  );
  return found.filter((path) => path !== undefined);
}

async function lastChange(files: FileReader, path: string): Promise<number> {
  const own = await changeOf(files, path);
  if (own.type !== 'directory') return own.changed_ms;
  const names = (await files.list(path)) ?? [];
  const inside = await Promise.all(names.map(async (name) => (await changeOf(files, join(path, name))).changed_ms));
  return Math.max(own.changed_ms, ...inside);
}

async function changeOf(files: FileReader, path: string): Promise<{ changed_ms: number; type: string | undefined }> {
  const own = await files.stat(path);
  const target = own?.type === 'symlink' ? await files.statTarget(path) : own;
  return { changed_ms: Math.max(own?.ctime_ms ?? 0, target?.ctime_ms ?? 0), type: target?.type };
}

import { existsSync, type FSWatcher, statSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Git writes a ref in several steps within a few milliseconds. */
const SETTLE_MS = 20;

/**
 * Calls `look` soon after a push to a repository on this machine. Only ever shortens the delay: where nothing can be
 * watched, polling goes on alone. Returns what ends it.
 */
export function watchBranch(repository: string, branch: string, look: () => void): () => void {
  const gitDirectory = localGitDirectory(repository);
  if (gitDirectory === undefined) return () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(look, SETTLE_MS);
  };
  // The folder of the branch, and above it the one of packed-refs.
  const folders = new Set([dirname(join(gitDirectory, 'refs', 'heads', branch)), gitDirectory]);
  const watchers = [...folders].filter((folder) => existsSync(folder)).flatMap((folder) => watchFolder(folder, soon));
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}

function watchFolder(folder: string, soon: () => void): readonly FSWatcher[] {
  try {
    const watcher = watch(folder, { persistent: false }, soon);
    watcher.on('error', () => watcher.close());
    return [watcher];
  } catch {
    return []; // out of inotify watches: polling goes on
  }
}

function localGitDirectory(repository: string): string | undefined {
  const path = repository.startsWith('file://') ? fileURLToPath(repository) : repository;
  if (!path.startsWith('/') && /^[\w.@-]+:/.test(path)) return undefined;
  const candidates = [join(path, '.git'), path];
  return candidates.find((one) => statSync(join(one, 'refs'), { throwIfNoEntry: false })?.isDirectory() === true);
}

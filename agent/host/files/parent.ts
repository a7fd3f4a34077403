import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { errorCode, explain, FileProblem } from './problem.ts';

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const MAX_LINKS = 40;

/** A directory held open. What is done below `at(name)` happens in this very directory, wherever its path leads by then. */
export interface OpenDirectory {
  readonly fd: number;
  /** A path for `name` in this directory. */
  at(name: string): string;
}

/**
 * Opens the directory of `path` and runs `use` with it.
 *
 * Root writes here in directories that belong to unprivileged users, so the path is walked component by component on
 * descriptors (Node has no `openat`, `/proc/self/fd/N/name` is the same): nobody can swap a component between the look
 * and the write. A symlink that belongs to a user other than root is followed only into a directory of that same user;
 * else he could point root at /etc.
 */
export function inParent<T>(path: string, action: string, use: (parent: OpenDirectory, name: string) => T): T {
  try {
    const fd = openDirectory(dirname(path));
    try {
      return use({ fd, at: (name) => `/proc/self/fd/${fd}/${name}` }, basename(path));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw explain(error, action, path);
  }
}

/** The caller closes the descriptor. */
export function openDirectory(path: string): number {
  const pending = path.split('/').filter((part) => part !== '');
  const linkOwners = new Set<number>();
  let links = 0;
  let fd = openSync('/', DIRECTORY_FLAGS);
  try {
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      const next = openBelow(fd, name);
      if (typeof next === 'number') {
        closeSync(fd);
        fd = next;
        continue;
      }
      links += 1;
      if (links > MAX_LINKS) throw new FileProblem('ELOOP', path, `cannot open ${path}: too many symlinks`);
      if (next.owner !== 0) linkOwners.add(next.owner);
      pending.unshift(...next.target.split('/').filter((part) => part !== '' && part !== '.'));
      if (next.target.startsWith('/')) {
        closeSync(fd);
        fd = openSync('/', DIRECTORY_FLAGS);
      }
    }
    refuseForeignLinks(path, linkOwners, fstatSync(fd).uid);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openBelow(fd: number, name: string): number | { readonly target: string; readonly owner: number } {
  const below = `/proc/self/fd/${fd}/${name}`;
  try {
    return openSync(below, DIRECTORY_FLAGS);
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'ENOTDIR' && code !== 'ELOOP') throw error;
    const stat = lstatSync(below);
    if (!stat.isSymbolicLink()) throw error;
    return { target: readlinkSync(below), owner: stat.uid };
  }
}

function refuseForeignLinks(path: string, linkOwners: ReadonlySet<number>, directoryOwner: number): void {
  for (const owner of linkOwners) {
    if (owner === directoryOwner) continue;
    throw new FileProblem(
      'EUNSAFE',
      path,
      `refused to follow a symlink in ${path}: it belongs to uid ${owner} and leads into a directory of uid ${directoryOwner}, so that user could make root write anywhere; make the link root's ("chown -h root") or name the real path`,
    );
  }
}

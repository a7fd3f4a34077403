import { constants, lstatSync, type Stats, statSync } from 'node:fs';
import type { FileStat, FileType } from './port.ts';
import { errorCode } from './problem.ts';

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK } = constants;
const QUIETLY = { throwIfNoEntry: false } as const;

/** Synchronous on purpose: a stat takes 2–4 µs, a trip through the thread pool 30–100. */

export function lstat(path: string | Buffer): FileStat | undefined {
  return absentAsUndefined(lstatSync, path);
}

export function statTarget(path: string): FileStat | undefined {
  return absentAsUndefined(statSync, path);
}

function absentAsUndefined(look: typeof lstatSync, path: string | Buffer): FileStat | undefined {
  try {
    const stats = look(path, QUIETLY);
    return stats === undefined ? undefined : toFileStat(stats);
  } catch (error) {
    // ENOTDIR: a parent is a file, so nothing is there. ELOOP: a link that leads to itself leads nowhere.
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

export function toFileStat(stats: Stats): FileStat {
  return {
    type: typeOf(stats.mode),
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    size_bytes: stats.size,
    mtime_ms: stats.mtimeMs,
    ctime_ms: stats.ctimeMs,
    device: stats.dev,
    inode: stats.ino,
    links: stats.nlink,
  };
}

function typeOf(mode: number): FileType {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return 'file';
    case S_IFDIR:
      return 'directory';
    case S_IFLNK:
      return 'symlink';
    case S_IFIFO:
      return 'fifo';
    case S_IFSOCK:
      return 'socket';
    case S_IFCHR:
      return 'characterDevice';
    case S_IFBLK:
      return 'blockDevice';
    default:
      return 'file';
  }
}

/** True when both say the same file with the same content and the same attributes: ctime moves with every change. */
export function sameFile(a: FileStat | undefined, b: FileStat | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.inode === b.inode &&
    a.device === b.device &&
    a.size_bytes === b.size_bytes &&
    a.mtime_ms === b.mtime_ms &&
    a.ctime_ms === b.ctime_ms
  );
}

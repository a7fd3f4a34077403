import { readdirSync, readlinkSync, realpathSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { runCommand } from '../commands/run.ts';
import { setMode, setOwner, setOwnership } from './attributes.ts';
import { copyTree, makeDirectory, remove, removeTree, rename } from './entries.ts';
import { exchangePaths } from './exchange.ts';
import { HashCache } from './hash.ts';
import type { FileWriter } from './port.ts';
import { errorCode, explain } from './problem.ts';
import { readFile } from './read.ts';
import { lstat, statTarget } from './stat.ts';
import { TemporaryNames } from './temporary.ts';
import { linkAtomically, writeAtomically } from './write.ts';

/**
 * Files by synchronous calls on the main thread only. They are faster than the thread pool for what the agent does, and
 * the PostgreSQL port changes the effective user of the process for a moment, during which no call may be under way.
 */
export function linuxFiles(): FileWriter {
  const hashes = new HashCache();
  const names = new TemporaryNames();
  return {
    stat: (path) => settled(() => lstat(path)),
    statTarget: (path) => settled(() => statTarget(path)),
    read: async (path, options) => readFile(path, options?.max_bytes),
    readText: async (path, options) => readFile(path, options?.max_bytes)?.toString('utf8'),
    hash: (path, seen) => hashes.hash(path, seen),
    list: async (path) => ifThere(() => readdirSync(path).sort()),
    readLink: async (path) => ifThere(() => readlinkSync(path)),
    realPath: async (path) => ifThere(() => realpathSync(path)),
    freeSpace_bytes: async (path) => freeSpace(path),

    write: async (path, content, ownership, options) =>
      writeAtomically(names, path, content, ownership, options?.expecting),
    makeDirectory: async (path, ownership) => makeDirectory(path, ownership),
    link: async (path, target, owner, options) =>
      linkAtomically(names, path, target, owner ?? { uid: 0, gid: 0 }, options?.expecting),
    rename: async (from, to) => rename(from, to),
    exchange: (a, b) => exchangePaths(runCommand, a, b),
    copyTree,
    remove: async (path, options) => remove(path, options?.expecting),
    removeTree,
    setOwnership: async (path, ownership, options) => setOwnership(path, ownership, options?.expecting),
    setMode: async (path, mode) => setMode(path, mode),
    setOwner: async (path, uid, gid) => setOwner(path, uid, gid),
  };
}

/** What an async function would give, for a third of its memory: it is called for every file at every run. */
function settled<T>(look: () => T): Promise<T> {
  try {
    return Promise.resolve(look());
  } catch (error) {
    return Promise.reject(error);
  }
}

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    // EINVAL: `readlink` of something that is no symlink.
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** Of the file system that holds `path`, or would hold it: the nearest parent that is there counts. */
function freeSpace(path: string): number {
  let there = path;
  while (there !== '/' && statTarget(there) === undefined) there = dirname(there);
  try {
    const { bavail, bsize } = statfsSync(there);
    return bavail * bsize;
  } catch (error) {
    throw explain(error, 'look at the free space of', there);
  }
}

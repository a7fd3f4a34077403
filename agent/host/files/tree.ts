import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FileProblem } from './problem.ts';

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** The event loop gets a turn after so many entries: about 5 ms of work. */
const ENTRIES_PER_TURN = 500;

/** Counts entries over a whole walk, so that the loop breathes however the tree is shaped. */
interface Walk {
  entries: number;
}

/** Names travel as bytes: a name that is not UTF-8 must be removed and copied like any other. */
function at(fd: number, name: Buffer | string): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), typeof name === 'string' ? Buffer.from(name) : name]);
}

function namesIn(fd: number): Buffer[] {
  return readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' });
}

async function breathe(walk: Walk): Promise<void> {
  walk.entries += 1;
  if (walk.entries % ENTRIES_PER_TURN === 0) await nextTurn();
}

/** Removes `name` below the open directory `parent` and all that is in it. Follows no link, leaves other file systems alone. */
export async function removeBelow(parent: number, name: string, path: string): Promise<void> {
  await removeEntry({ entries: 0 }, parent, Buffer.from(name), fstatSync(parent).dev, path);
}

async function removeEntry(walk: Walk, parent: number, name: Buffer, device: number, path: string): Promise<void> {
  const entry = at(parent, name);
  const stat = lstatSync(entry, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    unlinkSync(entry);
    return;
  }
  if (stat.dev !== device) {
    throw new FileProblem('EBUSY', path, `cannot remove ${path}: another file system is mounted there or below`);
  }
  const fd = openSync(entry, DIRECTORY_FLAGS);
  try {
    for (const child of namesIn(fd)) {
      await breathe(walk);
      await removeEntry(walk, fd, child, device, path);
    }
  } finally {
    closeSync(fd);
  }
  rmdirSync(entry);
}

/** Copies `from` with owners, modes, times and links as they are to `name` below `parent`, where nothing may be yet. */
export async function copyBelow(from: string, parent: number, name: string): Promise<void> {
  await copyEntry({ entries: 0 }, Buffer.from(from), at(parent, name));
}

async function copyEntry(walk: Walk, from: Buffer, to: Buffer): Promise<void> {
  await breathe(walk);
  const stat = lstatSync(from);
  if (stat.isSymbolicLink()) {
    symlinkSync(readlinkSync(from, { encoding: 'buffer' }), to);
    lchownSync(to, stat.uid, stat.gid);
    lutimesSync(to, stat.atimeMs / 1000, stat.mtimeMs / 1000);
    return;
  }
  if (stat.isDirectory()) {
    mkdirSync(to, 0o700);
    const source = openSync(from, DIRECTORY_FLAGS);
    const target = openSync(to, DIRECTORY_FLAGS);
    try {
      for (const child of namesIn(source)) await copyEntry(walk, at(source, child), at(target, child));
      fsyncSync(target);
    } finally {
      closeSync(source);
      closeSync(target);
    }
  } else if (stat.isFile()) {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  } else {
    throw new FileProblem('ENOTREGULAR', String(from), `cannot copy ${String(from)}: it is a device, FIFO or socket`);
  }
  const fd = openSync(to, READ_FLAGS);
  try {
    fchownSync(fd, stat.uid, stat.gid);
    fchmodSync(fd, stat.mode & 0o7777);
    futimesSync(fd, stat.atimeMs / 1000, stat.mtimeMs / 1000);
    if (stat.isFile()) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

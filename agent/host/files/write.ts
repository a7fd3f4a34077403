import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lchownSync,
  openSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { inParent, type OpenDirectory } from './parent.ts';
import type { FileStat, Ownership } from './port.ts';
import { errorCode, FileProblem } from './problem.ts';
import { lstat, sameFile } from './stat.ts';
import type { TemporaryNames } from './temporary.ts';

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** What the caller saw at the path; `'nothing'` for an empty place, absent for "whatever is there". */
export type Expected = FileStat | 'nothing' | undefined;

/** Synchronous from the first to the last step, so that nothing else of this process comes in between. */
export function writeAtomically(
  names: TemporaryNames,
  path: string,
  content: string | Uint8Array,
  ownership: Ownership,
  expected: Expected,
): void {
  replaceAtomically(names, path, 'write', expected, (temporary) => {
    const fd = openSync(temporary, CREATE_FLAGS, 0o600);
    try {
      writeAll(fd, typeof content === 'string' ? Buffer.from(content) : content);
      fchownSync(fd, ownership.uid, ownership.gid);
      // After chown, which clears setuid and setgid.
      fchmodSync(fd, ownership.mode);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });
}

export function linkAtomically(
  names: TemporaryNames,
  path: string,
  target: string,
  owner: { readonly uid: number; readonly gid: number },
  expected: Expected,
): void {
  replaceAtomically(names, path, 'make the symlink', expected, (temporary) => {
    symlinkSync(target, temporary);
    lchownSync(temporary, owner.uid, owner.gid);
  });
}

function replaceAtomically(
  names: TemporaryNames,
  path: string,
  action: string,
  expected: Expected,
  make: (temporary: string) => void,
): void {
  inParent(path, action, (parent, name) => {
    names.removeStale(parent);
    const temporaryName = names.take();
    const temporary = parent.at(temporaryName);
    try {
      make(temporary);
      refuseIfChanged(parent, name, path, expected);
      renameSync(temporary, parent.at(name));
    } catch (error) {
      removeQuietly(temporary);
      throw error;
    } finally {
      names.release(temporaryName);
    }
    fsyncSync(parent.fd);
  });
}

export function refuseIfChanged(parent: OpenDirectory, name: string, path: string, expected: Expected): void {
  if (expected === undefined) return;
  const now = lstat(parent.at(name));
  if (expected === 'nothing' ? now === undefined : sameFile(expected, now)) return;
  throw new FileProblem('ECHANGED', path, `${path} was changed by somebody else in this very moment; nothing was done`);
}

function writeAll(fd: number, content: Uint8Array): void {
  let written = 0;
  while (written < content.length) written += writeSync(fd, content, written);
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') process.emitWarning(`a temporary file could not be removed: ${String(error)}`);
  }
}

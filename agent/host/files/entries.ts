import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { inParent, openDirectory } from './parent.ts';
import type { Ownership } from './port.ts';
import { explain, FileProblem } from './problem.ts';
import { lstat } from './stat.ts';
import { copyBelow, removeBelow } from './tree.ts';
import { type Expected, refuseIfChanged } from './write.ts';

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export function makeDirectory(path: string, ownership: Ownership): void {
  inParent(path, 'make the directory', (parent, name) => {
    mkdirSync(parent.at(name), 0o700);
    const fd = openSync(parent.at(name), DIRECTORY_FLAGS);
    try {
      fchownSync(fd, ownership.uid, ownership.gid);
      fchmodSync(fd, ownership.mode);
    } finally {
      closeSync(fd);
    }
    fsyncSync(parent.fd);
  });
}

export function rename(from: string, to: string): void {
  inParent(from, 'rename', (source, sourceName) =>
    inParent(to, `rename ${from} to`, (target, targetName) => {
      renameSync(source.at(sourceName), target.at(targetName));
      fsyncSync(target.fd);
      fsyncSync(source.fd);
    }),
  );
}

export function remove(path: string, expected: Expected): void {
  try {
    inParent(path, 'remove', (parent, name) => {
      refuseIfChanged(parent, name, path, expected);
      const stat = lstat(parent.at(name));
      if (stat === undefined) return;
      if (stat.type === 'directory') rmdirSync(parent.at(name));
      else unlinkSync(parent.at(name));
      fsyncSync(parent.fd);
    });
  } catch (error) {
    if (!isMissingParent(error)) throw error;
  }
}

export async function removeTree(path: string): Promise<void> {
  try {
    const parent = openDirectory(dirname(path));
    try {
      await removeBelow(parent, basename(path), path);
      fsyncSync(parent);
    } finally {
      closeSync(parent);
    }
  } catch (error) {
    const problem = explain(error, 'remove', path);
    if (!isMissingParent(problem)) throw problem;
  }
}

export async function copyTree(from: string, to: string): Promise<void> {
  try {
    const parent = openDirectory(dirname(to));
    try {
      if (lstat(to) !== undefined) throw new FileProblem('EEXIST', to, `cannot copy to ${to}: there is something`);
      try {
        await copyBelow(from, parent, basename(to));
        fsyncSync(parent);
      } catch (error) {
        await removeBelow(parent, basename(to), to);
        throw error;
      }
    } finally {
      closeSync(parent);
    }
  } catch (error) {
    throw explain(error, `copy ${from} to`, to);
  }
}

/** Where the directory is away, what was in it is away too. */
function isMissingParent(error: unknown): boolean {
  return error instanceof FileProblem && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

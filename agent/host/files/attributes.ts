import { chmodSync, closeSync, constants, fstatSync, lchownSync, openSync } from 'node:fs';
import { inParent } from './parent.ts';
import { FileProblem } from './problem.ts';

/** `open(2)`'s O_PATH, which Node does not name: a handle on the thing itself that opens no device and no FIFO. */
const O_PATH = 0o10000000;

export function setMode(path: string, mode: number): void {
  inParent(path, 'set the mode of', (parent, name) => {
    const fd = openSync(parent.at(name), O_PATH | constants.O_NOFOLLOW);
    try {
      if (fstatSync(fd).isSymbolicLink()) {
        throw new FileProblem('ENOTREGULAR', path, `cannot set the mode of ${path}: it is a symlink`);
      }
      chmodSync(`/proc/self/fd/${fd}`, mode);
    } finally {
      closeSync(fd);
    }
  });
}

export function setOwner(path: string, uid: number, gid: number): void {
  inParent(path, 'set the owner of', (parent, name) => lchownSync(parent.at(name), uid, gid));
}

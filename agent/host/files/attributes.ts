import { chmodSync, chownSync, closeSync, constants, fstatSync, lchownSync, openSync } from 'node:fs';
import { inParent, type OpenDirectory } from './parent.ts';
import type { Ownership } from './port.ts';
import { FileProblem } from './problem.ts';
import { type Expected, refuseIfChanged } from './write.ts';

/** `open(2)`'s O_PATH, which Node does not name: a handle on the thing itself that opens no device and no FIFO. */
const O_PATH = 0o10000000;

export function setMode(path: string, mode: number): void {
  inParent(path, 'set the mode of', (parent, name) =>
    withHandle(parent, name, path, (handle) => chmodSync(handle, mode)),
  );
}

export function setOwnership(path: string, { uid, gid, mode }: Ownership, expected: Expected): void {
  inParent(path, 'set owner and mode of', (parent, name) => {
    refuseIfChanged(parent, name, path, expected);
    withHandle(parent, name, path, (handle) => {
      chownSync(handle, uid, gid);
      // After chown, which clears setuid and setgid.
      chmodSync(handle, mode);
    });
  });
}

export function setOwner(path: string, uid: number, gid: number): void {
  inParent(path, 'set the owner of', (parent, name) => lchownSync(parent.at(name), uid, gid));
}

function withHandle(parent: OpenDirectory, name: string, path: string, use: (handle: string) => void): void {
  const fd = openSync(parent.at(name), O_PATH | constants.O_NOFOLLOW);
  try {
    if (fstatSync(fd).isSymbolicLink()) {
      throw new FileProblem('ENOTREGULAR', path, `cannot set owner or mode of ${path}: it is a symlink`);
    }
    use(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

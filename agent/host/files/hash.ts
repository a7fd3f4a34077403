import { createHash } from 'node:crypto';
import { closeSync, fstatSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FileStat } from './port.ts';
import { openRegular } from './read.ts';
import { sameFile, statTarget, toFileStat } from './stat.ts';

const CHUNK_BYTES = 1024 * 1024;
/** 20 000 entries are about 6 MB; beyond it the oldest are forgotten. */
const MAX_ENTRIES = 20_000;
/**
 * A file that changed this shortly before it was read may change again within the same tick of the file system's clock,
 * with the same size and times (git calls such an entry "racy"): its hash is not remembered.
 */
const RACY_MS = 2_000;

interface Remembered {
  readonly stat: FileStat;
  /** Resolved, and handed out as it is: a run asks for each file, and finds nearly all of them here. */
  readonly hash: Promise<string>;
}

/** SHA-256 of regular files, remembered by device, inode, size, mtime and ctime. */
export class HashCache {
  readonly #entries = new Map<string, Remembered>();

  hash(path: string, seen?: FileStat): Promise<string | undefined> {
    const remembered = this.#entries.get(path);
    if (remembered !== undefined && sameFile(remembered.stat, seen ?? statTarget(path))) return remembered.hash;
    return this.#read(path);
  }

  async #read(path: string): Promise<string | undefined> {
    this.#entries.delete(path);
    const opened = openRegular(path);
    if (opened === undefined) return undefined;
    const { fd } = opened;
    try {
      const before = toFileStat(opened.stats);
      const started_ms = Date.now();
      const hash = await hashDescriptor(fd, before.size_bytes);
      const settled = started_ms - before.ctime_ms > RACY_MS && started_ms - before.mtime_ms > RACY_MS;
      if (settled && sameFile(before, toFileStat(fstatSync(fd))))
        this.#remember(path, { stat: before, hash: Promise.resolve(hash) });
      return hash;
    } finally {
      closeSync(fd);
    }
  }

  #remember(path: string, entry: Remembered): void {
    if (this.#entries.size >= MAX_ENTRIES) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(path, entry);
  }
}

/** In chunks, with a turn of the event loop between them: 100 MB must not hold up the agent for half a second. */
async function hashDescriptor(fd: number, size_bytes: number): Promise<string> {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(Math.min(Math.max(size_bytes, 1), CHUNK_BYTES));
  for (;;) {
    const count = readSync(fd, chunk, 0, chunk.length, null);
    if (count === 0) return hash.digest('hex');
    hash.update(chunk.subarray(0, count));
    if (count === CHUNK_BYTES) await nextTurn();
  }
}

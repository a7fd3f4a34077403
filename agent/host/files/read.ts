import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { errorCode, explain, FileProblem } from './problem.ts';

const DEFAULT_MAX_BYTES = 128 * 1024 * 1024;
/** A FIFO without a writer, or a terminal, must not hold the agent up. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Opens a regular file for reading; `undefined` where nothing is. Refuses everything that is not a regular file. */
export function openRegular(path: string): { readonly fd: number; readonly stats: Stats } | undefined {
  let fd: number;
  try {
    fd = openSync(path, OPEN_FLAGS);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errorCode(error) ?? '')) return undefined;
    // ENXIO: a socket, or a device without a driver.
    if (errorCode(error) === 'ENXIO') throw notRegular(path);
    throw explain(error, 'read', path);
  }
  const stats = fstatSync(fd);
  if (stats.isFile()) return { fd, stats };
  closeSync(fd);
  throw notRegular(path);
}

function notRegular(path: string): FileProblem {
  return new FileProblem('ENOTREGULAR', path, `cannot read ${path}: it is not a regular file`);
}

export function readFile(path: string, max_bytes = DEFAULT_MAX_BYTES): Buffer | undefined {
  const opened = openRegular(path);
  if (opened === undefined) return undefined;
  const { fd, stats } = opened;
  try {
    if (stats.size > max_bytes) throw tooBig(path, max_bytes);
    // The files of /proc and /sys say size 0 and have content all the same.
    return stats.size === 0 ? readUntilEnd(fd, path, max_bytes) : readSized(fd, stats.size);
  } finally {
    closeSync(fd);
  }
}

function readSized(fd: number, size_bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(size_bytes);
  let filled = 0;
  while (filled < size_bytes) {
    const count = readSync(fd, buffer, filled, size_bytes - filled, null);
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

function readUntilEnd(fd: number, path: string, max_bytes: number): Buffer {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(16_384);
    const count = readSync(fd, chunk, 0, chunk.length, null);
    if (count === 0) return Buffer.concat(chunks, total);
    total += count;
    if (total > max_bytes) throw tooBig(path, max_bytes);
    chunks.push(chunk.subarray(0, count));
  }
}

function tooBig(path: string, max_bytes: number): FileProblem {
  return new FileProblem('ETOOBIG', path, `cannot read ${path}: it is larger than ${max_bytes} bytes`);
}

import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** One entry of a seal, as it stands in a chunk. */
export interface SealedEntry {
  /** Relative to the root; empty for the root itself. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size_bytes: number;
  readonly mtime_ms: number;
  readonly ctime_ms: number;
  readonly inode: number;
  /** SHA-256 of a file's content, of a link's target or of a directory's names. */
  readonly digest: string;
}

const ENTRIES_PER_CHUNK = 256;
const ENTRIES_PER_TURN = 100;

/** Walks the tree, hashes it and writes the chunks: those of the first `alwaysDepth` levels in `always`, the rest as numbers. */
export async function writeSeal(root: string, seal: string, alwaysDepth: number): Promise<void> {
  const near: SealedEntry[] = [];
  const far: SealedEntry[] = [];
  let count = 0;
  const pending = [''];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const stat = lstatSync(join(root, path));
    const depth = path === '' ? 0 : path.split('/').length;
    (depth <= alwaysDepth ? near : far).push(record(root, path, stat));
    if (stat.isDirectory())
      pending.push(...children(join(root, path)).map((name) => (path === '' ? name : `${path}/${name}`)));
    count += 1;
    if (count % ENTRIES_PER_TURN === 0) await nextTurn();
  }
  const temporary = `${seal}.${process.pid}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { mode: 0o700 });
  writeDurably(join(temporary, 'always'), near);
  for (let at = 0; at < far.length; at += ENTRIES_PER_CHUNK) {
    writeDurably(join(temporary, String(at / ENTRIES_PER_CHUNK)), far.slice(at, at + ENTRIES_PER_CHUNK));
  }
  rmSync(seal, { recursive: true, force: true });
  renameSync(temporary, seal);
  syncDirectory(dirname(seal));
}

/** The names of the chunks besides `always`; `undefined` where there is no seal. */
export function chunksOf(seal: string): readonly string[] | undefined {
  try {
    const names = readdirSync(seal);
    return names.includes('always') ? names.filter((name) => name !== 'always').sort() : undefined;
  } catch {
    return undefined;
  }
}

type Row = readonly [string, number, number, number, number, number, number, number, string];

/** A chunk is one array of arrays: parsing thousands of objects would cost more than looking at the files. */
export function readChunk(seal: string, name: string): readonly SealedEntry[] {
  const rows: readonly Row[] = JSON.parse(readFileSync(join(seal, name), 'utf8'));
  return rows.map(([path, mode, uid, gid, size_bytes, mtime_ms, ctime_ms, inode, digested]) => ({
    path,
    mode,
    uid,
    gid,
    size_bytes,
    mtime_ms,
    ctime_ms,
    inode,
    digest: digested,
  }));
}

function toRow(entry: SealedEntry): Row {
  const { path, mode, uid, gid, size_bytes, mtime_ms, ctime_ms, inode } = entry;
  return [path, mode, uid, gid, size_bytes, mtime_ms, ctime_ms, inode, entry.digest];
}

export function record(root: string, path: string, stat: Stats): SealedEntry {
  return {
    path,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    size_bytes: stat.isDirectory() ? 0 : stat.size,
    mtime_ms: stat.mtimeMs,
    ctime_ms: stat.ctimeMs,
    inode: stat.ino,
    digest: digest(join(root, path), stat),
  };
}

export function digest(path: string, stat: Stats): string {
  const hash = createHash('sha256');
  if (stat.isDirectory()) return hash.update(children(path).join('\0')).digest('hex');
  if (stat.isSymbolicLink()) return hash.update(readlinkSync(path)).digest('hex');
  return stat.isFile() ? hash.update(readFileSync(path)).digest('hex') : 'special';
}

/** What Python writes by itself is not looked at: it is made anew from the sources that are. */
function children(path: string): readonly string[] {
  return readdirSync(path)
    .filter((name) => name !== '__pycache__')
    .sort();
}

function writeDurably(path: string, entries: readonly SealedEntry[]): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(
      file,
      `${JSON.stringify(entries.map(toRow))}
`,
    );
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

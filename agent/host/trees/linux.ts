import { lstatSync, type Stats } from 'node:fs';
import type { Extent, SealedTree, TreeState, TreeWriter } from './port.ts';
import { chunksOf, digest, readChunk, type SealedEntry, writeSeal } from './seal.ts';

const MAX_DETAILS = 20;
/** 256 entries, about 2 ms. */
const CHUNKS_PER_LOOK = 1;
const MAX_REMEMBERED = 200;

export function linuxTrees(): TreeWriter {
  /** By seal: the chunk that comes next. A seal that is not here was not looked at yet. */
  const cursors = new Map<string, number>();
  /** Entries whose times moved while their content did not, by path with the times. */
  const touched = new Set<string>();

  async function verify({ root, seal }: SealedTree, extent: Extent): Promise<TreeState> {
    const chunks = chunksOf(seal);
    if (chunks === undefined) return { is: 'unsealed' };
    const cursor = cursors.get(seal);
    // The first look of a process may be its only one: a plan that has not seen everything would say too little.
    const slice = extent === 'whole' || cursor === undefined ? chunks : nextChunks(chunks, cursor, CHUNKS_PER_LOOK);
    const details: string[] = [];
    for (const name of ['always', ...slice]) {
      for (const entry of readChunk(seal, name)) {
        const problem = compare(root, entry, touched);
        if (problem !== undefined) details.push(problem);
        if (details.length >= MAX_DETAILS) break;
      }
    }
    if (details.length > 0) {
      // The cursor stays: the next look finds the damage again.
      return { is: 'damaged', details };
    }
    if (cursors.size >= MAX_REMEMBERED) cursors.clear();
    if (touched.size >= 100_000) touched.clear();
    cursors.set(seal, ((cursor ?? 0) + slice.length) % Math.max(chunks.length, 1));
    return { is: 'intact' };
  }

  return { verify, seal: ({ root, seal, alwaysDepth }) => writeSeal(root, seal, alwaysDepth) };
}

function nextChunks(chunks: readonly string[], cursor: number, wanted: number): readonly string[] {
  const count = Math.min(wanted, chunks.length);
  return Array.from({ length: count }, (_, index) => chunks[(cursor + index) % chunks.length] ?? '0');
}

function compare(root: string, entry: SealedEntry, touched: Set<string>): string | undefined {
  // Not `join`, which normalises: for hundreds of entries that costs more than looking at the files.
  const path = entry.path === '' ? root : `${root}/${entry.path}`;
  const stat = lstatSync(path, { throwIfNoEntry: false });
  const shown = entry.path === '' ? '.' : entry.path;
  if (stat === undefined) return `${shown}: gone`;
  if (stat.mode !== entry.mode) return `${shown}: mode or type changed`;
  if (stat.uid !== entry.uid || stat.gid !== entry.gid) return `${shown}: owner changed`;
  if (sameTimes(stat, entry)) return undefined;
  const key = `${path} ${stat.ino} ${stat.mtimeMs} ${stat.ctimeMs}`;
  if (touched.has(key)) return undefined;
  if (digest(path, stat) !== entry.digest)
    return `${shown}: ${stat.isDirectory() ? 'entries added or removed' : 'content changed'}`;
  touched.add(key);
  return undefined;
}

/** A directory's change time also moves with the times of what Python keeps in it: its modification time says enough. */
function sameTimes(stat: Stats, entry: SealedEntry): boolean {
  if (stat.ino !== entry.inode || stat.mtimeMs !== entry.mtime_ms) return false;
  return stat.isDirectory() || (stat.ctimeMs === entry.ctime_ms && stat.size === entry.size_bytes);
}

import { FOLDERS, LIMITS, type Tree, type TreeFile } from '../compile/tree.ts';
import { RefusedRevision } from './refusal.ts';

/** The two commands of git that a tree is read with; arguments start with the command. They throw what they throw. */
export interface TreeReader {
  list(args: readonly string[]): Promise<string>;
  cat(args: readonly string[], input: string): Promise<Buffer>;
}

/**
 * Reads what the compiler reads of a revision into memory; nothing is ever checked out, so no filter, hook or submodule
 * of the revision has anything to act on. Throws `RefusedRevision` for one that is too large, and what the reader throws.
 */
export async function readGitTree(revision: string, directory: string, reader: TreeReader): Promise<Tree> {
  const prefix = normalPrefix(directory);
  const folders = FOLDERS.map((folder) => `${prefix}${folder}`);
  const listing = await reader.list(['ls-tree', '-r', '-z', '-l', '--full-tree', revision, '--', ...folders]);
  const entries = listing.split('\0').flatMap((line) => parseEntry(line, prefix));
  const excess = excessOf(entries);
  if (excess !== undefined) throw new RefusedRevision(revision, [excess]);
  const wanted = [...new Set(entries.filter(isRead).map((entry) => entry.object))];
  const blobs =
    wanted.length === 0 ? NO_BLOBS : parseBatch(await reader.cat(['cat-file', '--batch'], `${wanted.join('\n')}\n`));
  return new Map(entries.map((entry) => [entry.path, toTreeFile(entry, blobs)]));
}

const NO_BLOBS: ReadonlyMap<string, Buffer> = new Map();

interface TreeEntry {
  readonly mode: string;
  readonly object: string;
  readonly size_bytes: number;
  readonly path: string;
}

/** `100644 blob <id>    <size>\t<path>` */
function parseEntry(line: string, prefix: string): readonly TreeEntry[] {
  const match = /^(\d{6}) (\w+) ([0-9a-f]+) +(\d+|-)\t(.+)$/s.exec(line);
  if (match === null) return [];
  const [, mode = '', , object = '', size = '', path = ''] = match;
  return [{ mode, object, size_bytes: size === '-' ? 0 : Number(size), path: path.slice(prefix.length) }];
}

function excessOf(entries: readonly TreeEntry[]): string | undefined {
  const total_bytes = entries.reduce((sum, entry) => sum + entry.size_bytes, 0);
  if (entries.length > LIMITS.files) return `the revision holds more than ${LIMITS.files} files`;
  return total_bytes > LIMITS.totalBytes ? `the revision holds more than ${LIMITS.totalBytes} bytes` : undefined;
}

function isRead(entry: TreeEntry): boolean {
  return entry.mode !== SUBMODULE && entry.size_bytes <= LIMITS.fileBytes;
}

const SUBMODULE = '160000';
const LINK = '120000';

function toTreeFile(entry: TreeEntry, blobs: ReadonlyMap<string, Buffer>): TreeFile {
  if (entry.mode === SUBMODULE) return { type: 'refused', reason: 'a git submodule, which is not read' };
  if (!isRead(entry)) return { type: 'refused', reason: `larger than ${LIMITS.fileBytes} bytes` };
  const content = blobs.get(entry.object);
  if (content === undefined) throw new Error(`the object ${entry.object} (${entry.path}) is missing`);
  return entry.mode === LINK ? { type: 'link', target: content.toString('utf8') } : { type: 'file', content };
}

/** `<id> blob <size>\n<content>\n` for each object. */
function parseBatch(output: Buffer): ReadonlyMap<string, Buffer> {
  const blobs = new Map<string, Buffer>();
  let at = 0;
  while (at < output.length) {
    const end = output.indexOf('\n', at);
    const [object = '', type, size] = output.toString('latin1', at, end).split(' ');
    if (type !== 'blob' || size === undefined) throw new Error(`git cat-file answered "${object} ${type ?? ''}"`);
    const start = end + 1;
    blobs.set(object, output.subarray(start, start + Number(size)));
    at = start + Number(size) + 1;
  }
  return blobs;
}

/** `desired-state/`, and nothing for the root. */
export function normalPrefix(directory: string): string {
  const parts = directory.split('/').filter((part) => part !== '' && part !== '.');
  return parts.length === 0 ? '' : `${parts.join('/')}/`;
}

import { join } from 'node:path';
import type { FileReader } from '../files/port.ts';

const MAX_PACKED_BYTES = 16_777_216;
const COMMIT = /^[0-9a-f]{40}$/;

/** Only what is plainly there: `undefined` for a ref that is missing, symbolic, or stored in another way than in files. */
export async function readRefOnDisk(repository: string, ref: string, files: FileReader): Promise<string | undefined> {
  // A tag may be an object of its own, which lies compressed among the others.
  if (!ref.startsWith('refs/heads/')) return undefined;
  const directory = await gitDirectory(repository, files);
  if (directory === undefined) return undefined;
  // In this order: packing writes the packed file before it removes the loose one.
  const loose = (await files.readText(join(directory, ref), { max_bytes: 4096 }))?.trimEnd();
  if (loose !== undefined) return COMMIT.test(loose) ? loose : undefined;
  const packed = await files.readText(join(directory, 'packed-refs'), { max_bytes: MAX_PACKED_BYTES });
  const line = packed?.split('\n').find((one) => one.endsWith(` ${ref}`) && one.length === 41 + ref.length);
  const commit = line?.slice(0, 40);
  return commit !== undefined && COMMIT.test(commit) ? commit : undefined;
}

/** As git looks for it: `REPOSITORY/.git`, then `REPOSITORY` itself. A worktree, whose `.git` is a file, is left to git. */
async function gitDirectory(repository: string, files: FileReader): Promise<string | undefined> {
  const inside = join(repository, '.git');
  const dotGit = await files.statTarget(inside);
  if (dotGit !== undefined && dotGit.type !== 'directory') return undefined;
  const directory = dotGit === undefined ? repository : inside;
  const [head, objects, refs, reftable, commonDirectory] = await Promise.all(
    ['HEAD', 'objects', 'refs', 'reftable', 'commondir'].map((name) => files.statTarget(join(directory, name))),
  );
  const isRepository = head?.type === 'file' && objects?.type === 'directory' && refs?.type === 'directory';
  return isRepository && reftable === undefined && commonDirectory === undefined ? directory : undefined;
}

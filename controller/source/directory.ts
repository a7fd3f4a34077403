import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { FOLDERS, LIMITS, type Tree, type TreeFile } from '../compile/tree.ts';

/** Reads the folders of a tree from a directory. Throws where the directory itself cannot be read, or is too large. */
export async function readDirectory(root: string): Promise<Tree> {
  const files = new Map<string, TreeFile>();
  let total_bytes = 0;
  const present = new Set(await readdir(root));
  for (const folder of FOLDERS) {
    if (!present.has(folder)) continue;
    for await (const path of walk(root, folder)) {
      const file = await readTreeFile(join(root, path));
      files.set(path, file);
      total_bytes += file.type === 'file' ? file.content.length : 0;
      if (files.size > LIMITS.files) throw new Error(`${root} holds more than ${LIMITS.files} files`);
      if (total_bytes > LIMITS.totalBytes) throw new Error(`${root} holds more than ${LIMITS.totalBytes} bytes`);
    }
  }
  return files;
}

async function* walk(root: string, folder: string): AsyncGenerator<string> {
  const stats = await lstat(join(root, folder));
  if (!stats.isDirectory()) {
    yield folder;
    return;
  }
  for (const name of (await readdir(join(root, folder))).sort()) yield* walk(root, `${folder}/${name}`);
}

async function readTreeFile(path: string): Promise<TreeFile> {
  const stats = await lstat(path);
  if (stats.isSymbolicLink()) return { type: 'link', target: await readlink(path) };
  if (!stats.isFile()) return { type: 'refused', reason: 'not a regular file' };
  if (stats.size > LIMITS.fileBytes) return { type: 'refused', reason: `larger than ${LIMITS.fileBytes} bytes` };
  return { type: 'file', content: await readFile(path) };
}

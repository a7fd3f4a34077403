import { isUtf8 } from 'node:buffer';
import type { Issues } from './issue.ts';

/** One file of a tree, as git or a directory holds it; paths are relative to the tree's root and use `/`. */
export type TreeFile =
  | { readonly type: 'file'; readonly content: Buffer }
  | { readonly type: 'link'; readonly target: string }
  /** Not read, with the reason: too large, not a regular file. */
  | { readonly type: 'refused'; readonly reason: string };

/** A whole tree in memory: what a revision of `desired-state/` says. */
export type Tree = ReadonlyMap<string, TreeFile>;

/** The folders that the compiler reads; everything else under the root belongs to others. */
export const FOLDERS = ['hosts', 'roles', 'environments', 'templates', 'files', 'secrets'] as const;

export const LIMITS = {
  files: 50_000,
  fileBytes: 4 * 1024 * 1024,
  totalBytes: 256 * 1024 * 1024,
} as const;

const MAX_LINKS = 8;

/** The text at a path of the tree, following links inside of it; or why there is none. */
export function readText(
  tree: Tree,
  path: string,
): { readonly text: string; readonly path: string } | { readonly reason: string } | undefined {
  const [at, file] = follow(tree, path);
  if (file === undefined) return undefined;
  if (file.type !== 'file') return { reason: file.type === 'link' ? 'too many symbolic links' : file.reason };
  const text = file.content.toString('utf8');
  if (!isUtf8(file.content)) return { reason: 'not UTF-8 text' };
  return { text: text.startsWith('\uFEFF') ? text.slice(1) : text, path: at };
}

/** Reports links that lead out of the tree or nowhere, and files that could not be read. */
export function checkTree(tree: Tree, display: (path: string) => string, issues: Issues): void {
  for (const [path, file] of tree) {
    const place = { file: display(path), line: 1, column: 1 };
    if (file.type === 'refused') issues.add(place, file.reason);
    if (file.type !== 'link') continue;
    const target = linkTarget(path, file.target);
    if (target === undefined) issues.add(place, `symbolic link to "${file.target}" leads out of the tree`);
    else if (!tree.has(target) && ![...tree.keys()].some((one) => one.startsWith(`${target}/`))) {
      issues.add(place, `symbolic link to "${file.target}" leads nowhere`);
    }
  }
}

function follow(tree: Tree, path: string): readonly [string, TreeFile | undefined] {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const file = tree.get(at) ?? throughFolder(tree, at);
    if (file?.type !== 'link') return [at, file];
    const target = linkTarget(at, file.target);
    if (target === undefined) return [at, { type: 'refused', reason: 'a symbolic link that leads out of the tree' }];
    at = target;
  }
  return [at, { type: 'refused', reason: 'too many symbolic links' }];
}

/** A path one of whose folders is a link: as a link to where it leads. */
function throughFolder(tree: Tree, path: string): TreeFile | undefined {
  const parts = path.split('/');
  for (let count = 1; count < parts.length; count += 1) {
    const folder = parts.slice(0, count).join('/');
    const file = tree.get(folder);
    if (file?.type !== 'link') continue;
    const up = '../'.repeat(parts.length - count);
    return { type: 'link', target: `${up}${file.target}/${parts.slice(count).join('/')}` };
  }
  return undefined;
}

/** Where a relative link leads, from the tree's root; `undefined` when that is outside of the folders that are read. */
function linkTarget(from: string, target: string): string | undefined {
  if (target.startsWith('/')) return undefined;
  const parts = from.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== '.' && part !== '') parts.push(part);
  }
  return FOLDERS.some((folder) => folder === parts[0]) ? parts.join('/') : undefined;
}

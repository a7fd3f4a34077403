import { basename, dirname, join, normalize } from 'node:path';
import type { HostReader } from '../../host/host.ts';
import type { Extent } from '../../host/trees/port.ts';
import {
  generation,
  generationOf,
  type Layout,
  releaseName,
  type Spec,
  shortHash,
  type TreeKind,
  treeOf,
} from './layout.ts';
import type { Trees } from './program.ts';

/** A tree that is there and whole, or the name under which it is to be built and why. */
export type Found =
  | { readonly is: 'built'; readonly name: string }
  | { readonly is: 'missing'; readonly buildAs: string; readonly why: string };

/** The trees of one commit, as far as they are known: a virtualenv is only known once the sources are there. */
export interface FoundTrees {
  readonly release: Found;
  readonly venv?: Found;
  readonly static?: Found;
}

const MAX_REQUIREMENTS_FILES = 50;
const MAX_REQUIREMENTS_BYTES = 1_048_576;

export async function findTrees(
  spec: Spec,
  layout: Layout,
  commit: string,
  inUse: ReadonlySet<string>,
  extent: Extent,
  host: HostReader,
): Promise<FoundTrees> {
  const search = { host, layout, inUse, extent };
  const release = await findTree(search, 'releases', releaseName(commit));
  if (release.is === 'missing') return { release };
  const venv = await findTree(search, 'venvs', await venvName(spec, layout, release.name, host));
  if (venv.is === 'missing' || spec.django?.collectstatic !== true) return { release, venv };
  const collected = await findTree(search, 'static', `${release.name}-${venv.name}`);
  return { release, venv, static: collected };
}

export function completeTrees(spec: Spec, found: FoundTrees): Trees | undefined {
  if (found.release.is !== 'built' || found.venv?.is !== 'built') return undefined;
  if (spec.django?.collectstatic !== true) {
    return { release: found.release.name, venv: found.venv.name, static: undefined };
  }
  if (found.static?.is !== 'built') return undefined;
  return { release: found.release.name, venv: found.venv.name, static: found.static.name };
}

/** Why each tree that is not there has to be built. */
export function missingReasons({ release, venv, static: collected }: FoundTrees): readonly string[] {
  return [
    ...(release.is === 'missing' ? [`release ${release.buildAs}: ${release.why}`] : []),
    ...(venv?.is === 'missing' ? [`virtualenv ${venv.buildAs}: ${venv.why}`] : []),
    ...(collected?.is === 'missing' ? [`static files: ${collected.why}`] : []),
  ];
}

interface Search {
  readonly host: HostReader;
  readonly layout: Layout;
  /** What slots run from, as `kind/name`. */
  readonly inUse: ReadonlySet<string>;
  readonly extent: Extent;
}

/** The newest whole tree of that name. What a slot runs from is never built over: the next one gets the next number. */
async function findTree(search: Search, kind: TreeKind, base: string): Promise<Found> {
  const { host, layout, inUse } = search;
  const names = (await host.files.list(join(layout.directory, kind))) ?? [];
  const numbers = names.flatMap((name) => generationOf(base, name) ?? []).sort((a, b) => b - a);
  let highest: { readonly number: number; readonly why: string; readonly free: boolean } | undefined;
  for (const number of numbers) {
    const name = generation(base, number);
    const problem = await problemOf(search, kind, name);
    if (problem === undefined) return { is: 'built', name };
    highest ??= { number, why: problem.why, free: problem.unfinished && !inUse.has(`${kind}/${name}`) };
  }
  if (highest === undefined) return { is: 'missing', buildAs: base, why: 'not built yet' };
  const number = highest.free ? highest.number : highest.number + 1;
  return { is: 'missing', buildAs: generation(base, number), why: highest.why };
}

async function problemOf(
  { host, layout, extent }: Search,
  kind: TreeKind,
  name: string,
): Promise<{ readonly why: string; readonly unfinished: boolean } | undefined> {
  const tree = treeOf(layout, kind, name);
  const state = await host.trees.verify(tree, extent);
  if (state.is === 'unsealed') return { why: 'not finished', unfinished: true };
  if (state.is === 'damaged')
    return { why: `changed by hand (${state.details.slice(0, 3).join('; ')})`, unfinished: false };
  if (kind === 'venvs' && (await host.files.statTarget(join(tree.root, 'bin', 'python'))) === undefined) {
    return { why: 'its Python interpreter is gone', unfinished: false };
  }
  return undefined;
}

/** Named after all that decides what is in it: the interpreter, the requirements with what they include, the options. */
async function venvName(spec: Spec, layout: Layout, release: string, host: HostReader): Promise<string> {
  const { python } = spec;
  const root = join(layout.directory, 'releases', release);
  const interpreter = (await host.files.realPath(python.interpreter)) ?? python.interpreter;
  const texts: string[] = [];
  const pending = [...python.requirements];
  const seen = new Set<string>();
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (seen.has(path) || seen.size >= MAX_REQUIREMENTS_FILES) continue;
    seen.add(path);
    const text = await host.files.readText(join(root, path), { max_bytes: MAX_REQUIREMENTS_BYTES });
    texts.push(`${path}\n${text ?? 'missing'}`);
    pending.push(...includedFiles(path, text ?? ''));
  }
  // An option that came later: only where it is set does it change the name of a virtualenv.
  const options = python.system_packages ? ['system_packages'] : [];
  return shortHash(JSON.stringify([interpreter, texts, python.packages, python.require_hashes, ...options]));
}

/** `-r other.txt` and `-c constraints.txt`, relative to the file that names them. */
export function includedFiles(path: string, text: string): readonly string[] {
  return [...text.matchAll(/^\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=)(?<file>[^\s#]+)/gm)].flatMap((match) => {
    const file = match.groups?.['file'] ?? '';
    const joined = normalize(join(dirname(path), file));
    return /^[a-z]+:\/\//.test(file) || file.startsWith('/') || joined.startsWith('..') ? [] : [joined];
  });
}

/** The trees that a slot's file names, as `kind/name`; empty for a text that is none of ours. */
export function treesInText(layout: Layout, text: string): readonly string[] {
  const found = [...text.matchAll(/(?:=|["'\s:])(?<path>\/[^\s"',:]+)/g)].map((match) => match.groups?.['path'] ?? '');
  return found.flatMap((path) => {
    if (!path.startsWith(`${layout.directory}/`)) return [];
    const [kind, name] = path.slice(layout.directory.length + 1).split('/');
    return (kind === 'releases' || kind === 'venvs' || kind === 'static') && name !== undefined
      ? [`${kind}/${name}`]
      : [];
  });
}

/** The commit's first twelve digits that a slot's file runs; `undefined` where it cannot be told. */
export function releaseInText(layout: Layout, text: string): string | undefined {
  const release = treesInText(layout, text).find((tree) => tree.startsWith('releases/'));
  return release === undefined ? undefined : basename(release).slice(0, 12);
}

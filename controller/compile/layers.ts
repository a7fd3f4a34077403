import { documentSchemas, type LayerType } from '../../desired-state/schema/document.ts';
import { unknownKeys } from '../../desired-state/schema/explain.ts';
import type { Issues, Place } from './issue.ts';
import { type Located, type LocatedMap, placeAt } from './located.ts';
import { hint, isHostName, isLayerName } from './names.ts';
import { readText, type Tree } from './tree.ts';
import { parseYaml } from './yaml.ts';

/** One file under `hosts/`, `roles/` or `environments/`. */
export interface Layer {
  readonly type: LayerType;
  readonly name: string;
  readonly file: string;
  /** `undefined` when the file could not be parsed; its issues are known by then. */
  readonly root: LocatedMap | undefined;
}

export type Layers = { readonly [T in LayerType]: ReadonlyMap<string, Layer> };

const FOLDER_OF: { readonly [T in LayerType]: string } = { host: 'hosts', role: 'roles', environment: 'environments' };

/** Parses every host, role and environment of the tree. */
export function readLayers(tree: Tree, display: (path: string) => string, issues: Issues): Layers {
  return {
    host: readFolder(tree, 'host', display, issues),
    role: readFolder(tree, 'role', display, issues),
    environment: readFolder(tree, 'environment', display, issues),
  };
}

function readFolder(
  tree: Tree,
  type: LayerType,
  display: (path: string) => string,
  issues: Issues,
): ReadonlyMap<string, Layer> {
  const folder = `${FOLDER_OF[type]}/`;
  const layers = new Map<string, Layer>();
  for (const path of [...tree.keys()].sort()) {
    if (!path.startsWith(folder) || /\/\.[^/]*$|~$/.test(path)) continue;
    const top: Place = { file: display(path), line: 1, column: 1 };
    const name = path.slice(folder.length).replace(/\.yaml$/, '');
    const complaint = nameComplaint(type, path, name);
    if (complaint === undefined) layers.set(name, readLayer(tree, type, name, path, top, issues));
    else issues.add(top, complaint);
  }
  return layers;
}

function nameComplaint(type: LayerType, path: string, name: string): string | undefined {
  if (!path.endsWith('.yaml')) return `expected a file "${FOLDER_OF[type]}/<name>.yaml"`;
  if (type === 'host') {
    return isHostName(name) ? undefined : `"${name}" is not a host name (lower-case letters, digits, "-" and ".")`;
  }
  return isLayerName(name)
    ? undefined
    : `"${name}" is not a name of a ${type} (lower-case letters, digits, "-" and "_")`;
}

function readLayer(tree: Tree, type: LayerType, name: string, path: string, top: Place, issues: Issues): Layer {
  const read = readText(tree, path);
  if (read === undefined || 'reason' in read) {
    // A link that leads nowhere and a file too large are reported once for the tree.
    if (read !== undefined && tree.get(path)?.type === 'file') issues.add(top, read.reason);
    return { type, name, file: top.file, root: undefined };
  }
  return { type, name, file: top.file, root: parseYaml(top.file, read.text, issues) };
}

/** Reports the unknown sections of a layer. */
export function checkSections(layer: Layer, issues: Issues): void {
  const known = Object.keys(documentSchemas[layer.type].entries);
  for (const [key, { keyPlace }] of layer.root?.entries ?? []) {
    if (!known.includes(key)) issues.add(keyPlace, unknownSection(layer, key, known));
  }
}

function unknownSection(layer: Layer, key: string, known: readonly string[]): string {
  if (layer.type !== 'host' && Object.hasOwn(documentSchemas.host.entries, key)) {
    return `"${key}" may stand in a host's file only`;
  }
  return `unknown key "${key}"${hint(key, known)}`;
}

/** Of a layer that no host uses, all that can be said without the others: the unknown keys. */
export function checkUnused(layer: Layer, issues: Issues): void {
  if (layer.root === undefined) return;
  const { root } = layer;
  for (const issue of unknownKeys(documentSchemas[layer.type], bare(root), [])) {
    if (issue.path.length === 1) continue; // said by checkSections
    issues.add(
      placeAt(root, issue.path, 'key'),
      `${issue.message}${hint(String(issue.path.at(-1)), issue.known ?? [])}`,
    );
  }
}

function bare(node: Located): unknown {
  if (node.type === 'map') return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, bare(value)]));
  if (node.type === 'list') return node.items.map(bare);
  return node.type === 'scalar' ? node.value : '';
}

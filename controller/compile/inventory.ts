import { documentSchemas } from '../../desired-state/schema/document.ts';
import { chooseAddress, type HostFacts, networkList } from './address.ts';
import type { Issues, Place } from './issue.ts';
import type { Layer, Layers } from './layers.ts';
import { type Located, type LocatedMap, textAt } from './located.ts';
import { Pending } from './lookup.ts';
import { mergeLayers, withoutEmpty } from './merge.ts';
import { hint } from './names.ts';

/** A host with all its layers found and merged. */
export interface InventoryHost {
  readonly name: string;
  readonly environment: string;
  readonly roles: readonly string[];
  readonly merged: LocatedMap;
  readonly address: string | Pending;
}

export interface Inventory {
  readonly hosts: readonly InventoryHost[];
  /** The layers that some host is made of. */
  readonly used: ReadonlySet<Layer>;
  /** Every role of the tree, with or without hosts. */
  readonly roles: readonly string[];
}

/** Puts each host together from its environment, its roles in their order, and its own file. */
export function takeInventory(layers: Layers, facts: ReadonlyMap<string, HostFacts>, issues: Issues): Inventory {
  const used = new Set<Layer>();
  const hosts: InventoryHost[] = [];
  const bases = new Bases();
  const complete = new WeakSet<LocatedMap>();
  for (const layer of layers.host.values()) {
    if (layer.root === undefined) continue;
    const parts = [...environmentOf(layer, layer.root, layers, issues), ...rolesOf(layer.root, layers, issues)];
    const whole = parts.filter((part) => part !== undefined);
    const roots = whole.flatMap((part) => (part.root === undefined ? [] : [part.root]));
    // With a part missing, what the others say would be judged wrongly: the missing part is the issue.
    if (whole.length !== parts.length || roots.length !== parts.length) continue;
    for (const part of [layer, ...whole]) used.add(part);
    const [environment = '', ...roles] = whole.map((part) => part.name);
    const layered = mergeLayers([bases.of(environment, roles, roots), layer.root], documentSchemas.host);
    const merged = withoutEmpty(layered, [documentSchemas.host], { issues, host: layer.name, complete });
    const address = addressOf(layer.name, merged, facts, issues);
    hosts.push({ name: layer.name, environment, roles, merged, address });
  }
  return { hosts, used, roles: [...layers.role.keys()] };
}

/** What hosts have below their own file; those with the same environment and roles share it, as one object. */
class Bases {
  readonly #merged = new Map<string, LocatedMap>();

  of(environment: string, roles: readonly string[], roots: readonly LocatedMap[]): LocatedMap {
    const key = [environment, ...roles].join(' ');
    const known = this.#merged.get(key) ?? mergeLayers(roots, documentSchemas.host);
    this.#merged.set(key, known);
    return known;
  }
}

function environmentOf(layer: Layer, root: LocatedMap, layers: Layers, issues: Issues): readonly (Layer | undefined)[] {
  const entry = root.entries.get('environment');
  const text = textAt(root, 'environment');
  if (text !== undefined) return [find('environment', text.text, text.place, layers, issues)];
  const place = entry?.value.place ?? { file: layer.file, line: 1, column: 1 };
  const known = hint('', layers.environment.keys());
  issues.add(
    place,
    entry === undefined ? `missing key "environment"${known}` : `expected the name of an environment${known}`,
  );
  return [undefined];
}

function rolesOf(root: LocatedMap, layers: Layers, issues: Issues): readonly (Layer | undefined)[] {
  const roles = root.entries.get('roles')?.value;
  if (roles === undefined) return [];
  if (roles.type !== 'list') {
    issues.add(roles.place, 'expected a list of roles, such as [base, web]');
    return [undefined];
  }
  const seen = new Set<string>();
  return roles.items.map((item) => {
    const name = nameIn(item);
    if (name === undefined) issues.add(item.place, 'expected the name of a role');
    else if (seen.has(name)) issues.add(item.place, `role "${name}" stands twice in this list`);
    else {
      seen.add(name);
      return find('role', name, item.place, layers, issues);
    }
    return undefined;
  });
}

function nameIn(item: Located): string | undefined {
  return item.type === 'scalar' && typeof item.value === 'string' ? item.value : undefined;
}

function find(
  type: 'role' | 'environment',
  name: string,
  place: Place,
  layers: Layers,
  issues: Issues,
): Layer | undefined {
  const layer = layers[type].get(name);
  if (layer === undefined) issues.add(place, `unknown ${type} "${name}"${hint(name, layers[type].keys())}`);
  return layer;
}

function addressOf(
  name: string,
  merged: LocatedMap,
  facts: ReadonlyMap<string, HostFacts>,
  issues: Issues,
): string | Pending {
  const network = textAt(merged, 'network');
  if (network !== undefined && networkList(network.text) === undefined) {
    issues.add(network.place, 'expected a network such as "10.0.0.0/8"', name);
    return new Pending('the network is malformed');
  }
  const written = textAt(merged, 'address');
  if (written !== undefined) return written.text;
  const reported = facts.get(name)?.addresses ?? [];
  const inside = network === undefined ? '' : ` in ${network.text}`;
  return chooseAddress(reported, network?.text) ?? new Pending(`waiting for ${name} to report an address${inside}`);
}

import type { Place } from './issue.ts';

/** Parsed YAML in which every key and value still knows its place. */
export type Located = LocatedScalar | LocatedSecret | LocatedMap | LocatedList;

export interface LocatedScalar {
  readonly type: 'scalar';
  readonly value: string | number | boolean | null;
  readonly place: Place;
  /** The place of the n-th `{{` of a text, counted from 0. */
  readonly tagPlace?: (nth: number) => Place;
  /** A number written in decimal digits, which is seldom meant where a file mode is expected. */
  readonly decimal?: true;
}

/** `!secret NAME` */
export interface LocatedSecret {
  readonly type: 'secret';
  readonly name: string;
  readonly place: Place;
}

export interface LocatedEntry {
  readonly keyPlace: Place;
  readonly value: Located;
}

export interface LocatedMap {
  readonly type: 'map';
  readonly entries: ReadonlyMap<string, LocatedEntry>;
  readonly place: Place;
}

export interface LocatedList {
  readonly type: 'list';
  readonly items: readonly Located[];
  readonly place: Place;
}

/** The place of what stands at `path`, or of the nearest thing around it that stands in a file. */
export function placeAt(
  root: Located,
  path: readonly (string | number)[],
  want: 'key' | 'value',
  rootKey: Place = root.place,
): Place {
  let node = root;
  let key = rootKey;
  for (const step of path) {
    if (node.type === 'map') {
      const entry = node.entries.get(String(step));
      if (entry === undefined) return key;
      key = entry.keyPlace;
      node = entry.value;
    } else if (node.type === 'list') {
      const item = typeof step === 'number' ? node.items[step] : undefined;
      if (item === undefined) return key;
      key = item.place;
      node = item;
    } else {
      return node.place;
    }
  }
  return want === 'key' ? key : node.place;
}

/** The text under a key, when there is one and it is text. */
export function textAt(map: LocatedMap, key: string): { readonly text: string; readonly place: Place } | undefined {
  const value = map.entries.get(key)?.value;
  return value?.type === 'scalar' && typeof value.value === 'string'
    ? { text: value.value, place: value.place }
    : undefined;
}

import type { Issues } from './issue.ts';
import type { Located, LocatedEntry, LocatedMap } from './located.ts';

/**
 * Lays one layer over another. Maps merge key by key, at every depth; lists and single values of the upper layer replace
 * those of the lower one; an empty value (`key:` or `key: null`) of the upper layer removes what the lower one declares.
 * Each part keeps the place in the file that it comes from.
 */
export function mergeLayers(layers: readonly LocatedMap[]): LocatedMap {
  const [first, ...others] = layers;
  if (first === undefined) throw new Error('no layers to merge');
  return others.reduce(mergeMaps, first);
}

function mergeMaps(lower: LocatedMap, upper: LocatedMap): LocatedMap {
  const entries = new Map<string, LocatedEntry>(lower.entries);
  for (const [key, over] of upper.entries) {
    const under = lower.entries.get(key);
    if (under !== undefined && isEmpty(over.value) && !isEmpty(under.value)) entries.delete(key);
    else if (under?.value.type === 'map' && over.value.type === 'map') {
      entries.set(key, { keyPlace: over.keyPlace, value: mergeMaps(under.value, over.value) });
    } else entries.set(key, over);
  }
  return { type: 'map', entries, place: upper.place };
}

/** Reports the empty values that have removed nothing, and takes them away: no schema ever sees an empty value. */
export function withoutEmpty(node: LocatedMap, issues: Issues, host: string): LocatedMap {
  const entries = new Map<string, LocatedEntry>();
  for (const [key, { keyPlace, value }] of node.entries) {
    if (isEmpty(value)) {
      issues.add(
        keyPlace,
        `"${key}" is empty, and no lower layer has one to remove: write a value, or {} for all defaults`,
        host,
      );
    } else {
      entries.set(key, { keyPlace, value: value.type === 'map' ? withoutEmpty(value, issues, host) : value });
    }
  }
  return { ...node, entries };
}

function isEmpty(value: Located): boolean {
  return value.type === 'scalar' && value.value === null;
}

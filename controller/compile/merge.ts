import type * as v from 'valibot';
import { childSchemas, takesNull } from '../../desired-state/schema/walk.ts';
import type { Issues } from './issue.ts';
import type { Located, LocatedEntry, LocatedMap } from './located.ts';

type Schemas = readonly v.GenericSchema[];

/**
 * Lays one layer over another. Maps merge key by key, at every depth; lists and single values of the upper layer replace
 * those of the lower one; an empty value (`key:` or `key: null`) of the upper layer removes what the lower one declares,
 * but where the schema takes `null` for a value. Each part keeps the place in the file that it comes from.
 */
export function mergeLayers(layers: readonly LocatedMap[], schema: v.GenericSchema): LocatedMap {
  const [first, ...others] = layers;
  if (first === undefined) throw new Error('no layers to merge');
  return others.reduce((lower, upper) => mergeMaps(lower, upper, [schema]), first);
}

function mergeMaps(lower: LocatedMap, upper: LocatedMap, schemas: Schemas): LocatedMap {
  const entries = new Map<string, LocatedEntry>(lower.entries);
  for (const [key, over] of upper.entries) {
    const under = lower.entries.get(key);
    const inner = schemas.flatMap((schema) => childSchemas(schema, key));
    if (under !== undefined && !isEmpty(under.value) && isEmpty(over.value) && !inner.some(takesNull)) {
      entries.delete(key);
    } else if (under?.value.type === 'map' && over.value.type === 'map') {
      entries.set(key, { keyPlace: over.keyPlace, value: mergeMaps(under.value, over.value, inner) });
    } else entries.set(key, over);
  }
  return { type: 'map', entries, place: upper.place };
}

/** Reports the empty values that have removed nothing, and takes them away: a schema sees only those that it takes. */
export function withoutEmpty(node: LocatedMap, schemas: Schemas, issues: Issues, host: string): LocatedMap {
  const entries = new Map<string, LocatedEntry>();
  for (const [key, { keyPlace, value }] of node.entries) {
    const inner = schemas.flatMap((schema) => childSchemas(schema, key));
    if (isEmpty(value) && !inner.some(takesNull)) {
      const mend = 'write a value, or {} for all defaults';
      issues.add(keyPlace, `"${key}" is empty, and no lower layer has one to remove: ${mend}`, host);
    } else {
      entries.set(key, { keyPlace, value: value.type === 'map' ? withoutEmpty(value, inner, issues, host) : value });
    }
  }
  return { ...node, entries };
}

function isEmpty(value: Located): boolean {
  return value.type === 'scalar' && value.value === null;
}

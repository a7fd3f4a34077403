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

export interface EmptyOptions {
  readonly issues: Issues;
  readonly host: string;
  /** Parts in which nothing is empty: layers are shared by many hosts, and each part stands at the same path in all of them. */
  readonly complete: WeakSet<LocatedMap>;
}

/**
 * Reports the empty values that have removed nothing, and takes them away: a schema sees only those that it takes. A part
 * without any stays the same object.
 */
export function withoutEmpty(node: LocatedMap, schemas: Schemas, options: EmptyOptions): LocatedMap {
  const { issues, host, complete } = options;
  if (complete.has(node)) return node;
  let isSame = true;
  const entries = new Map<string, LocatedEntry>();
  for (const [key, entry] of node.entries) {
    const { keyPlace, value } = entry;
    const inner = schemas.flatMap((schema) => childSchemas(schema, key));
    if (isEmpty(value) && !inner.some(takesNull)) {
      const mend = 'write a value, or {} for all defaults';
      issues.add(keyPlace, `"${key}" is empty, and no lower layer has one to remove: ${mend}`, host);
      isSame = false;
    } else {
      const kept = value.type === 'map' ? withoutEmpty(value, inner, options) : value;
      isSame &&= kept === value;
      entries.set(key, kept === value ? entry : { keyPlace, value: kept });
    }
  }
  if (!isSame) return { ...node, entries };
  complete.add(node);
  return node;
}

function isEmpty(value: Located): boolean {
  return value.type === 'scalar' && value.value === null;
}

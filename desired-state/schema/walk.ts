import * as v from 'valibot';

/** Looking into valibot schemas: which keys and values may stand at a path. Reads the input side only. */

/** Any schema, with the inner parts that some of them have. */
interface Inspectable extends v.GenericSchema {
  readonly wrapped?: v.GenericSchema;
  readonly options?: readonly unknown[];
  readonly entries?: Readonly<Record<string, v.GenericSchema>>;
  readonly rest?: v.GenericSchema;
  readonly item?: v.GenericSchema;
  readonly items?: readonly v.GenericSchema[];
  readonly key?: v.GenericSchema;
  readonly value?: v.GenericSchema;
  readonly getter?: (input: unknown) => v.GenericSchema;
  readonly pipe?: readonly { readonly kind: string }[];
}

/** What is asked for again and again, for each entry of each host; a schema never changes. */
interface Insight {
  readonly alternatives: readonly Inspectable[];
  readonly keys: readonly string[];
  /** By key; `rest` is what stands under any other one. */
  readonly under: ReadonlyMap<string, readonly v.GenericSchema[]>;
  readonly rest: readonly v.GenericSchema[];
}

const insights = new WeakMap<v.GenericSchema, Insight>();

function insightInto(schema: v.GenericSchema): Insight {
  const known = insights.get(schema);
  if (known !== undefined) return known;
  const all = takenApart(schema);
  const keys = [...new Set(all.flatMap((one) => Object.keys(one.entries ?? {})))];
  const insight: Insight = {
    alternatives: all,
    keys,
    under: new Map(keys.map((key) => [key, all.flatMap((one) => valueUnder(one, key))])),
    rest: all.flatMap((one) => valueUnder(one, undefined)),
  };
  insights.set(schema, insight);
  return insight;
}

function takenApart(schema: v.GenericSchema): readonly Inspectable[] {
  const it: Inspectable = schema;
  if (it.wrapped !== undefined) return alternatives(it.wrapped);
  if (it.type === 'lazy' && it.getter !== undefined) return alternatives(it.getter(undefined));
  if ((it.type === 'union' || it.type === 'variant' || it.type === 'intersect') && it.options !== undefined) {
    return it.options.filter(isSchema).flatMap(alternatives);
  }
  return [it];
}

/** `key`: `undefined` for one that no alternative names. */
function valueUnder(one: Inspectable, key: string | undefined): readonly v.GenericSchema[] {
  if (one.entries !== undefined) {
    return present(key !== undefined && Object.hasOwn(one.entries, key) ? one.entries[key] : one.rest);
  }
  return one.type === 'record' ? present(one.value) : [];
}

/** The alternatives of a schema, with wrappers (`optional`, `nullable`, `lazy`) and unions taken apart. */
export function alternatives(schema: v.GenericSchema): readonly Inspectable[] {
  return insightInto(schema).alternatives;
}

/** The fixed keys that a map may have here; empty where any key goes. */
export function knownKeys(schema: v.GenericSchema): readonly string[] {
  return insightInto(schema).keys;
}

/** The schemas of what stands under `key` in a map or list of this schema. Several where a union allows several. */
export function childSchemas(schema: v.GenericSchema, key: string | number): readonly v.GenericSchema[] {
  const { alternatives: all, under, rest } = insightInto(schema);
  if (typeof key === 'string') return under.get(key) ?? rest;
  return all.flatMap((one) => present(one.item ?? one.items?.[key] ?? one.rest));
}

/** Whether a piece of `v.metadata({ [mark]: true })` is attached to the schema or to one of its alternatives. */
export function hasMark(schema: v.GenericSchema, mark: string): boolean {
  const it: Inspectable = schema;
  const own = (it.pipe ?? []).some((item) => isMetadata(item) && item.metadata[mark] === true);
  if (
    own ||
    (it.pipe ?? []).some((item) => item !== it && isSchema(item) && item.pipe !== it.pipe && hasMark(item, mark))
  ) {
    return true;
  }
  if (it.wrapped !== undefined) return hasMark(it.wrapped, mark);
  if (it.type === 'lazy') return alternatives(it).some((one) => hasMark(one, mark));
  return (it.options ?? []).some((option) => isSchema(option) && hasMark(option, mark));
}

/** Whether `null` is a value here, and not only the absence of one. */
export function takesNull(schema: v.GenericSchema): boolean {
  const it: Inspectable = schema;
  if (it.type === 'null' || it.type === 'nullable' || it.type === 'nullish') return true;
  if (it.wrapped !== undefined) return takesNull(it.wrapped);
  return (it.options ?? []).some((option) => isSchema(option) && takesNull(option));
}

/** Whether the alternative could hold a value of this shape at all. */
export function mayHold(schema: Inspectable, value: unknown): boolean {
  if (Array.isArray(value)) return schema.type === 'array' || schema.type === 'tuple' || isOpen(schema);
  if (isPlainObject(value)) return schema.entries !== undefined || schema.type === 'record' || isOpen(schema);
  if (schema.type === 'picklist' || schema.type === 'enum')
    return typeof value === 'string' || typeof value === 'number';
  if (schema.type === 'literal') return 'literal' in schema && typeof schema.literal === typeof value;
  return schema.type === typeof value || isOpen(schema);
}

/** A map as YAML or JSON gives it; not a `Secret` or another class's instance. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    value !== null &&
    typeof value === 'object' &&
    !Array.isArray(value) &&
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
  );
}

export function isSchema(value: unknown): value is Inspectable {
  return value !== null && typeof value === 'object' && 'kind' in value && value.kind === 'schema';
}

function isOpen(schema: Inspectable): boolean {
  return schema.type === 'any' || schema.type === 'unknown' || schema.type === 'custom';
}

function isMetadata(item: object): item is { readonly metadata: Readonly<Record<string, unknown>> } {
  return 'type' in item && item.type === 'metadata' && 'metadata' in item && isPlainObject(item.metadata);
}

function present<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}

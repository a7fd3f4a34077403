import * as v from 'valibot';
import { Secret } from './secret.ts';
import { alternatives, childSchemas, isPlainObject, knownKeys, mayHold } from './walk.ts';

/** Something wrong in a section, at `path` (keys from the section's root). The compiler turns the path into file, line and column. */
export interface SectionIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** For an unknown key or word: what is known there. */
  readonly known?: readonly string[];
  /** The key itself is wrong, and not the value that stands under it. */
  readonly atKey?: boolean;
}

/**
 * Every issue of `value` against `schema`, in the words of the manifest language. Unlike valibot, which stops at the
 * first unknown key of a map and says of a union only that nothing fits, this lists all unknown keys and explains the
 * alternative of a union that the user meant.
 */
export function explain(schema: v.GenericSchema, value: unknown): readonly SectionIssue[] {
  const unknown = unknownKeys(schema, value, []);
  const parsed = v.safeParse(schema, withoutPaths(value, unknown));
  const others = parsed.success ? [] : parsed.issues.flatMap((issue) => translate(schema, issue, []));
  return [...unknown, ...others.filter((issue) => !unknown.some((one) => isPrefix(one.path, issue.path)))];
}

/** The unknown keys only: all that can be said about a part that another layer completes. */
export function unknownKeys(
  schema: v.GenericSchema,
  value: unknown,
  at: readonly (string | number)[],
): readonly SectionIssue[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => {
      const inner = meant(childSchemas(schema, index), item);
      return inner === undefined ? [] : unknownKeys(inner, item, [...at, index]);
    });
  }
  if (!isPlainObject(value)) return [];
  const target = meant([schema], value);
  if (target === undefined) return [];
  const strict = target.type === 'strict_object';
  return Object.entries(value).flatMap(([key, item]) => {
    if (strict && !knownKeys(target).includes(key)) {
      return [{ path: [...at, key], message: `unknown key "${key}"`, known: knownKeys(schema), atKey: true }];
    }
    const inner = meant(childSchemas(target, key), item);
    return inner === undefined ? [] : unknownKeys(inner, item, [...at, key]);
  });
}

/** Of several alternatives the one that the user meant: it can hold the value, knows most of its keys, and finds least wrong. */
function meant(schemas: readonly v.GenericSchema[], value: unknown): v.GenericSchema | undefined {
  const fitting = schemas.flatMap(alternatives).filter((one) => mayHold(one, value));
  if (fitting.length < 2) return fitting[0];
  const ranked = fitting.map((one) => ({ one, wrong: wrongness(one, value) }));
  return ranked.reduce((best, next) => (next.wrong < best.wrong ? next : best)).one;
}

function wrongness(schema: v.GenericSchema, value: unknown): number {
  const keys = isPlainObject(value) ? Object.keys(value) : [];
  const foreign = keys.filter((key) => childSchemas(schema, key).length === 0).length;
  const parsed = v.safeParse(schema, value);
  return foreign * 100 + (parsed.success ? 0 : parsed.issues.length);
}

function translate(
  schema: v.GenericSchema,
  issue: v.BaseIssue<unknown>,
  at: readonly (string | number)[],
): readonly SectionIssue[] {
  const keys = keysOf(issue);
  const path = [...at, ...keys];
  const missing = issue.path?.at(-1)?.origin === 'key' && issue.input === undefined;
  if (missing && issue.kind === 'schema' && issue.expected !== 'never') {
    return [{ path: path.slice(0, -1), message: `missing key "${String(keys.at(-1))}"`, atKey: true }];
  }
  if (issue.type === 'strict_object' && issue.expected === 'never') return []; // listed by unknownKeys
  if (issue.type === 'union' || issue.type === 'variant') {
    const inner = meant(schemasAt(schema, keys), issue.input);
    const parsed = inner === undefined ? undefined : v.safeParse(inner, issue.input);
    if (inner !== undefined && parsed?.success === false && isStructured(issue.input)) {
      return parsed.issues.flatMap((one) => translate(inner, one, path));
    }
  }
  return [{ path, message: messageOf(issue), ...wordsOf(schemasAt(schema, keys), issue.input) }];
}

/** The words that a picklist knows, when the value is a word. */
function wordsOf(schemas: readonly v.GenericSchema[], input: unknown): { known?: readonly string[] } {
  if (typeof input !== 'string') return {};
  const known = schemas.flatMap(alternatives).flatMap((one) => {
    if (one.type === 'picklist') return (one.options ?? []).filter((word) => typeof word === 'string');
    return one.type === 'literal' && 'literal' in one && typeof one.literal === 'string' ? [one.literal] : [];
  });
  return known.length === 0 ? {} : { known };
}

function messageOf(issue: v.BaseIssue<unknown>): string {
  if (issue.input instanceof Secret && issue.kind === 'schema') return `a secret cannot stand here: ${plain(issue)}`;
  return plain(issue);
}

/** valibot's own English (`Invalid type: Expected string but received 5`) in ours; a schema's own message as it is. */
function plain(issue: v.BaseIssue<unknown>): string {
  if (issue.input instanceof Secret && issue.message.startsWith('Invalid ')) return 'expected plain text';
  const standard = /^Invalid (?:type|key|value|[a-z ]+): Expected (.+) but received (.+)$/s.exec(issue.message);
  if (standard === null) return issue.message;
  const [, expected = '', received = ''] = standard;
  return `expected ${typeWord(expected)}, found ${typeWord(received)}`;
}

function typeWord(type: string): string {
  if (type === 'Object' || type === 'object') return 'a map';
  if (type === 'Array' || type === 'array') return 'a list';
  if (type === 'string') return 'text';
  if (type === 'number') return 'a number';
  if (type === 'boolean') return 'true or false';
  return type;
}

function schemasAt(schema: v.GenericSchema, keys: readonly (string | number)[]): readonly v.GenericSchema[] {
  return keys.reduce<readonly v.GenericSchema[]>(
    (schemas, key) => schemas.flatMap((one) => childSchemas(one, key)),
    [schema],
  );
}

function keysOf(issue: v.BaseIssue<unknown>): (string | number)[] {
  return (issue.path ?? []).map((item) => item.key).filter((key) => typeof key === 'string' || typeof key === 'number');
}

function isStructured(value: unknown): boolean {
  return Array.isArray(value) || isPlainObject(value);
}

function isPrefix(short: readonly (string | number)[], long: readonly (string | number)[]): boolean {
  return short.length <= long.length && short.every((key, index) => key === long[index]);
}

/** The value without its unknown keys, so that valibot goes on to look at the rest. */
function withoutPaths(value: unknown, issues: readonly SectionIssue[]): unknown {
  if (issues.length === 0) return value;
  const drop = new Set(issues.map((issue) => JSON.stringify(issue.path)));
  const copy = (node: unknown, at: readonly (string | number)[]): unknown => {
    if (Array.isArray(node)) return node.map((item, index) => copy(item, [...at, index]));
    if (!isPlainObject(node)) return node;
    const kept = Object.entries(node).filter(([key]) => !drop.has(JSON.stringify([...at, key])));
    return Object.fromEntries(kept.map(([key, item]) => [key, copy(item, [...at, key])]));
  };
  return copy(value, []);
}

import * as v from 'valibot';
import type { KindDefinition, ResourceRef } from './kind.ts';
import { type Kind, kinds } from './kinds.ts';
import { modeSchema, type RawResource } from './manifest.ts';

/** Something wrong in a section, at `path` (keys from the section's root). The compiler turns the path into file, line and column. */
export interface SectionIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** For an unknown key: the keys that are known there. */
  readonly known?: readonly string[];
}

export interface Expansion {
  readonly resources: readonly RawResource[];
  readonly issues: readonly SectionIssue[];
}

/** Turns one section of a manifest into resources, checked by the kind's schema; reports every issue and not just the first. */
export function expandSection(kind: Kind, section: unknown): Expansion {
  const definition: KindDefinition = kinds[kind];
  if (!isObject(section) && !(definition.form === 'whole' && Array.isArray(section))) {
    return { resources: [], issues: [{ path: [], message: 'expected a map' }] };
  }
  if (definition.form === 'whole') return expandEntry(kind, definition, kind, section, []);
  const parts = Object.entries(section).map(([name, entry]) => expandEntry(kind, definition, name, entry, [name]));
  return { resources: parts.flatMap((part) => part.resources), issues: parts.flatMap((part) => part.issues) };
}

function expandEntry(
  kind: Kind,
  definition: KindDefinition,
  name: string,
  entry: unknown,
  at: readonly string[],
): Expansion {
  const full = typeof entry === 'string' ? (definition.shorthands?.[entry] ?? entry) : entry;
  const { requires, mode, ...own } = isObject(full) ? full : {};
  const spec = isObject(full) ? own : full;
  const meta = v.safeParse(metaSchema, { requires, mode });
  const parsed = v.safeParse(definition.entry, spec);
  const issues = [...(meta.issues ?? []), ...(parsed.issues ?? [])].flatMap((issue) => flatten(issue, at));
  if (!meta.success || !parsed.success) return { resources: [], issues };
  const resource: RawResource = {
    kind,
    name,
    spec,
    requires: meta.output.requires ?? [],
    ...(meta.output.mode === undefined ? {} : { mode: meta.output.mode }),
  };
  return { resources: [resource], issues };
}

const refSchema = v.pipe(
  v.string('expected a reference such as "packages/packages"'),
  v.regex(/^[a-z]+\/.+$/, 'expected a reference such as "packages/packages"'),
  v.transform(parseRef),
);

const metaSchema = v.object({
  requires: v.optional(v.array(refSchema, 'expected a list of references')),
  mode: v.optional(modeSchema),
});

function parseRef(text: string): ResourceRef {
  const slash = text.indexOf('/');
  return { kind: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** Of a union, the branch that got furthest speaks: its issues are what the user has to mend. */
function flatten(issue: v.BaseIssue<unknown>, at: readonly string[]): SectionIssue[] {
  const path = [...at, ...keysOf(issue)];
  if (issue.type === 'union' && issue.issues !== undefined) {
    const deepest = issue.issues.filter((inner) => (inner.path?.length ?? 0) > (issue.path?.length ?? 0));
    if (deepest.length > 0) return deepest.flatMap((inner) => flatten(inner, at));
  }
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    return [{ path, message: `unknown key "${String(path.at(-1))}"`, known: [] }];
  }
  return [{ path, message: issue.message }];
}

function keysOf(issue: v.BaseIssue<unknown>): (string | number)[] {
  return (issue.path ?? []).map((item) => item.key).filter((key) => typeof key === 'string' || typeof key === 'number');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    value !== null &&
    typeof value === 'object' &&
    !Array.isArray(value) &&
    Object.getPrototypeOf(value) === Object.prototype
  );
}

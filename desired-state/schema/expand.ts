import * as v from 'valibot';
import { explain, type SectionIssue } from './explain.ts';
import type { KindDefinition, ResourceRef } from './kind.ts';
import { type Kind, kinds } from './kinds.ts';
import { modeSchema, type RawResource } from './manifest.ts';
import { isPlainObject } from './walk.ts';

export type { SectionIssue };

/** A path on the host that a resource claims for itself. */
export interface OwnedPath {
  readonly path: string;
  readonly by: ResourceRef;
  /** Where the claim stands: keys from the section's root. */
  readonly at: readonly (string | number)[];
}

export interface Expansion {
  readonly resources: readonly RawResource[];
  readonly issues: readonly SectionIssue[];
  readonly owned: readonly OwnedPath[];
}

/** Turns one section of a manifest into resources, checked by the kind's schema; reports every issue and not just the first. */
export function expandSection(kind: Kind, section: unknown): Expansion {
  const definition: KindDefinition = kinds[kind];
  if (definition.form === 'whole') return expandEntry(kind, definition, kind, section, []);
  if (!isPlainObject(section)) {
    return { resources: [], issues: [{ path: [], message: 'expected a map of names to entries' }], owned: [] };
  }
  const parts = Object.entries(section).map(([name, entry]) => expandEntry(kind, definition, name, entry, [name]));
  return {
    resources: parts.flatMap((part) => part.resources),
    issues: parts.flatMap((part) => part.issues),
    owned: parts.flatMap((part) => part.owned),
  };
}

/** The same for one entry of a section, with paths from the section's root. */
export function expandNamed(kind: Kind, name: string, entry: unknown): Expansion {
  return expandEntry(kind, kinds[kind], name, entry, [name]);
}

function expandEntry(
  kind: Kind,
  definition: KindDefinition,
  name: string,
  entry: unknown,
  at: readonly string[],
): Expansion {
  const full = typeof entry === 'string' ? (definition.shorthands?.[entry] ?? entry) : entry;
  const { requires, drift, ...own } = isPlainObject(full) ? full : {};
  const spec = isPlainObject(full) ? own : full;
  const meta = v.safeParse(metaSchema, { requires, drift });
  const parsed = v.safeParse(definition.entry, spec);
  const issues = [
    ...nameIssues(definition, name),
    // The search for all that is wrong costs much more than the finding that nothing is.
    ...(meta.success ? [] : explain(metaSchema, { requires, drift })),
    ...(parsed.success ? [] : explain(definition.entry, spec)),
  ];
  if (!meta.success || !parsed.success || issues.length > 0) {
    return { resources: [], issues: issues.map((issue) => within(issue, at, definition, entry)), owned: [] };
  }
  const resource: RawResource = {
    kind,
    name,
    spec,
    requires: meta.output.requires ?? [],
    ...(meta.output.drift === undefined ? {} : { mode: meta.output.drift }),
  };
  const owned = (definition.owns?.(name, parsed.output) ?? []).map((path) => ({ path, by: { kind, name }, at }));
  return { resources: [resource], issues: [], owned };
}

function nameIssues(definition: KindDefinition, name: string): readonly SectionIssue[] {
  if (definition.names === undefined) return [];
  const parsed = v.safeParse(definition.names, name);
  return (parsed.issues ?? []).map((issue) => ({ path: [], message: `${name}: ${issue.message}`, atKey: true }));
}

const REFERENCE = 'expected a reference such as "packages/packages"';

const refSchema = v.pipe(v.string(REFERENCE), v.regex(/^[a-z]+\/.+$/, REFERENCE), v.transform(parseRef));

/** The keys that every entry may have beside those of its kind. */
export const metaSchema = v.object({
  requires: v.optional(
    v.pipe(
      v.array(refSchema, 'expected a list of references'),
      v.description('Resources that come first, each written `kind/name`.'),
    ),
  ),
  // Not `mode`, which is what files and directories call their permission bits.
  drift: v.optional(
    v.pipe(modeSchema, v.description('`enforce` repairs drift, `report` only reports it. Default: that of the host.')),
  ),
});

function parseRef(text: string): ResourceRef {
  const slash = text.indexOf('/');
  return { kind: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** The issue seen from the section's root; the generic keys and the short words of a kind are known words, too. */
function within(issue: SectionIssue, at: readonly string[], definition: KindDefinition, entry: unknown): SectionIssue {
  const path = [...at, ...issue.path];
  if (issue.path.length === 0 && typeof entry === 'string') {
    return { ...issue, path, known: [...(issue.known ?? []), ...Object.keys(definition.shorthands ?? {})] };
  }
  if (issue.path.length !== 1 || issue.known === undefined || issue.atKey !== true) return { ...issue, path };
  return { ...issue, path, known: [...issue.known, 'requires', 'drift'] };
}

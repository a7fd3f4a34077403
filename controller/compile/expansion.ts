import type * as v from 'valibot';
import { documentSchemas } from '../../desired-state/schema/document.ts';
import { type Expansion, expandNamed, expandSection, type SectionIssue } from '../../desired-state/schema/expand.ts';
import type { KindDefinition } from '../../desired-state/schema/kind.ts';
import { type Kind, kinds } from '../../desired-state/schema/kinds.ts';
import { encodeResource, type RawResource } from '../../desired-state/schema/manifest.ts';
import { childSchemas } from '../../desired-state/schema/walk.ts';
import type { InventoryHost } from './inventory.ts';
import { type Located, type LocatedEntry, placeAt } from './located.ts';
import { BROKEN } from './lookup.ts';
import { hint } from './names.ts';
import { UnknownSecret } from './sealed.ts';
import { evaluate, isForAll, type Workshop } from './section.ts';

/** The sections of one host: from what stands in the files to resources, each checked by the schema of its kind. */

export interface Section {
  readonly kind: Kind;
  readonly entry: LocatedEntry;
}

export interface CompiledSection extends Section {
  readonly expansion: Expansion;
}

/** In the order of the kind table, so that the same declarations always make the same manifest. */
export function sectionsOf(host: InventoryHost): readonly Section[] {
  return (Object.keys(kinds) as Kind[]).flatMap((kind) => {
    const entry = host.merged.entries.get(kind);
    return entry === undefined ? [] : [{ kind, entry }];
  });
}

/**
 * Each resource is taken by itself, so that one with something wrong or pending in it hides nothing of the others.
 */
export function compileSection(section: Section, work: Workshop, known: KnownEntries): CompiledSection {
  const { kind, entry } = section;
  const schemas = childSchemas(documentSchemas.host, kind);
  const parts: Expansion[] = [];
  const take = (node: Located, inner: readonly v.GenericSchema[], name?: string): void => {
    const expansion = known.get(node) ?? expandEvaluated(kind, evaluate(node, inner, work), name);
    if (expansion === undefined) return;
    known.keep(node, expansion);
    parts.push(expansion);
  };
  if (isWhole(kind) || entry.value.type !== 'map') {
    take(entry.value, schemas);
  } else {
    for (const [name, { value }] of entry.value.entries) {
      take(
        value,
        schemas.flatMap((schema) => childSchemas(schema, name)),
        name,
      );
    }
  }
  const issues = parts.flatMap((part) => part.issues);
  for (const issue of issues) report(issue, entry, work);
  const resources = parts.flatMap((part) => part.resources);
  return { kind, entry, expansion: { resources, issues, owned: parts.flatMap((part) => part.owned) } };
}

/** `name`: of the entry; `undefined` where the value is the whole section. */
function expandEvaluated(kind: Kind, value: unknown, name: string | undefined): Expansion | undefined {
  if (value === BROKEN) return undefined;
  const expansion = name === undefined ? expandSection(kind, value) : expandNamed(kind, name, value);
  if (expansion.issues.length === 0) return expansion;
  const section = name === undefined ? value : { [name]: value };
  return {
    ...expansion,
    issues: expansion.issues.filter((issue) => !(valueAt(section, issue.path) instanceof UnknownSecret)),
  };
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, step) => (inner !== null && typeof inner === 'object' ? Reflect.get(inner, step) : undefined),
    value,
  );
}

export function isWhole(kind: Kind): boolean {
  const definition: KindDefinition = kinds[kind];
  return definition.form === 'whole';
}

/**
 * What came of entries that say the same for every host. Most hosts share their roles with others, so that most of a
 * fleet's compilation is done with the first host of each kind.
 */
export class KnownEntries {
  readonly #expansions = new WeakMap<Located, Expansion>();
  readonly #encoded = new WeakMap<RawResource, string>();

  get(node: Located): Expansion | undefined {
    return this.#expansions.get(node);
  }

  /** Keeps it where it is good for other hosts, too. */
  keep(node: Located, expansion: Expansion): void {
    if (expansion.issues.length > 0 || this.#expansions.has(node) || !isForAll(node)) return;
    this.#expansions.set(node, expansion);
    for (const resource of expansion.resources) this.#encoded.set(resource, encodeResource(resource));
  }

  encode(resource: RawResource): string {
    return this.#encoded.get(resource) ?? encodeResource(resource);
  }
}

export function report(issue: SectionIssue, entry: LocatedEntry, work: Workshop): void {
  const path = contentPath(issue.path, entry.value);
  const place = placeAt(entry.value, path, issue.atKey === true ? 'key' : 'value', entry.keyPlace);
  const last = issue.path.at(-1);
  const word = issue.atKey === true ? last : textOf(entry.value, path);
  const help = issue.known === undefined || word === undefined ? '' : hint(String(word), issue.known);
  work.issues.add(place, `${issue.message}${help}`, work.host);
}

/** What is wrong with a rendered `content` is told where its template or source is named. */
function contentPath(path: readonly (string | number)[], root: Located): readonly (string | number)[] {
  if (path.at(-1) !== 'content') return path;
  const parent = path
    .slice(0, -1)
    .reduce<Located | undefined>(
      (node, step) => (node?.type === 'map' ? node.entries.get(String(step))?.value : undefined),
      root,
    );
  if (parent?.type !== 'map' || parent.entries.has('content')) return path;
  return [...path.slice(0, -1), parent.entries.has('template') ? 'template' : 'source'];
}

function textOf(root: Located, path: readonly (string | number)[]): string | undefined {
  let node: Located | undefined = root;
  for (const step of path) {
    if (node.type === 'map') node = node.entries.get(String(step))?.value;
    else node = node.type === 'list' && typeof step === 'number' ? node.items[step] : undefined;
    if (node === undefined) return undefined;
  }
  return node.type === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
}

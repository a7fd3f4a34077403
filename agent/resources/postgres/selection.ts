import type { DatabaseSpec } from '../../../desired-state/schema/postgres-database.ts';
import type { Selector } from '../../../desired-state/schema/postgres-grant.ts';
import type { ObjectType } from './acl.ts';
import { type AclItem, parseAcl } from './acl.ts';
import type { ContentFacts, DatabaseFact } from './facts.ts';
import { NAME_SEPARATOR } from './queries.ts';
import { identifier } from './sql.ts';

/** From what a manifest selects to objects of a database. Pure. */

export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

/** `schema.name`, or a name in `schema` (default public), where dots belong to the name if a schema is given apart. */
export function qualify(name: string, schema: string | undefined): QualifiedName {
  const dot = name.indexOf('.');
  if (schema !== undefined || dot <= 0) return { schema: schema ?? 'public', name };
  return { schema: name.slice(0, dot), name: name.slice(dot + 1) };
}

/** A declared function for `to_regprocedure`, which looks into pg_catalog alone where no schema is named. */
export function qualifyFunction(declared: string, schema: string | undefined): string {
  if (schema !== undefined) return `${identifier(schema)}.${declared}`;
  return declared.split('(')[0]?.includes('.') === true ? declared : `public.${declared}`;
}

/** The parameters of `CONTENT_SQL`. */
export function contentParameters(spec: DatabaseSpec): readonly (readonly string[])[] {
  const selectors = [...spec.grants, ...spec.ownership].map(({ on }) => on);
  const tables = Object.keys(spec.tables).map((name) => qualify(name, undefined));
  const whole = selectors.filter((on) => namesIn(on).includes('*'));
  const schemaOf = (on: Selector) => on.schema ?? 'public';
  const newest = Object.entries(spec.extensions).filter(
    ([, entry]) => 'version' in entry && entry.version === 'latest',
  );
  const named = selectors
    .filter((on) => on.function === undefined)
    .flatMap((on) => namesIn(on).map((name) => qualify(name, on.schema)));
  const functions = selectors.flatMap((on) =>
    (on.function ?? []).filter((name) => name !== '*').map((name) => qualifyFunction(name, on.schema)),
  );
  const schemas = selectors.filter(isSchemaAlone).map(schemaOf);
  return [
    Object.keys(spec.extensions),
    [...Object.keys(spec.schemas), ...schemas],
    whole.filter((on) => on.function === undefined).map(schemaOf),
    [...named, ...tables].map(keyOf),
    functions,
    tables.map(keyOf),
    whole.filter((on) => on.function !== undefined).map(schemaOf),
    newest.map(([name]) => name),
  ];
}

/** Whether what is made in a run can be among what a grant or an owner is declared for. */
export function selectsAll(spec: DatabaseSpec): boolean {
  return [...spec.grants, ...spec.ownership].some(({ on }) => namesIn(on).includes('*'));
}

export function hasContent(spec: DatabaseSpec): boolean {
  const maps = [spec.extensions, spec.schemas, spec.tables].some((map) => Object.keys(map).length > 0);
  const inside = [...spec.grants, ...spec.ownership].some(({ on }) => !isDatabase(on));
  return maps || inside || spec.default_privileges.length > 0;
}

function keyOf({ schema, name }: QualifiedName): string {
  return `${schema}${NAME_SEPARATOR}${name}`;
}

function namesIn(on: Selector): readonly string[] {
  return on.table ?? on.sequence ?? on.function ?? [];
}

function isSchemaAlone(on: Selector): boolean {
  return on.schema !== undefined && namesIn(on).length === 0;
}

function isDatabase(on: Selector): boolean {
  return on.schema === undefined && namesIn(on).length === 0;
}

/** One object that grants and owners belong to. */
export interface Target {
  readonly type: ObjectType;
  /** As a person says it: `table public.todo`. */
  readonly label: string;
  /** As GRANT names it: `TABLE "public"."todo"`. */
  readonly grantee: string;
  /** As ALTER names it, which tells views from tables. */
  readonly alter: string;
  /** `undefined` where the object is not there. */
  readonly owner: string | undefined;
  readonly acl: readonly AclItem[];
  readonly linked: boolean;
}

export interface Place {
  readonly name: string;
  /** `undefined` where the database is not there yet. */
  readonly database: DatabaseFact | undefined;
  readonly content: ContentFacts | undefined;
}

export function targetsOf(on: Selector, place: Place): readonly Target[] {
  if (isDatabase(on)) return [databaseTarget(place)];
  if (isSchemaAlone(on)) return [schemaTarget(on.schema ?? 'public', place)];
  if (on.function !== undefined) return on.function.flatMap((name) => functionTargets(name, on.schema, place));
  const kind = on.table === undefined ? 'sequence' : 'table';
  return namesIn(on).flatMap((name) => relationTargets(kind, name, on.schema, place));
}

function databaseTarget({ name, database }: Place): Target {
  const sql = `DATABASE ${identifier(name)}`;
  const label = `database ${name}`;
  // What a new database has, so that a plan for it says already what must go.
  const fact = database ?? { owner: undefined, acl: ['=Tc/x'] };
  return { type: 'database', label, grantee: sql, alter: sql, ...heldOn(fact) };
}

function schemaTarget(name: string, { content }: Place): Target {
  const fact = content?.schemas.find((schema) => schema.name === name);
  const sql = `SCHEMA ${identifier(name)}`;
  return { type: 'schema', label: `schema ${name}`, grantee: sql, alter: sql, ...heldOn(fact) };
}

function relationTargets(
  kind: 'table' | 'sequence',
  declared: string,
  schemaOption: string | undefined,
  { content }: Place,
): readonly Target[] {
  const relations = (content?.relations ?? []).filter((relation) => relation.kind === kind);
  const wanted = qualify(declared, schemaOption);
  const found = relations.filter(
    ({ schema, name }) => schema === wanted.schema && (declared === '*' || name === wanted.name),
  );
  if (found.length === 0 && declared !== '*') return [relationTarget(kind, wanted, kind.toUpperCase(), undefined)];
  return found.map((fact) => relationTarget(kind, fact, fact.word, fact));
}

function relationTarget(
  kind: 'table' | 'sequence',
  { schema, name }: QualifiedName,
  word: string,
  fact: ContentFacts['relations'][number] | undefined,
): Target {
  const sql = `${identifier(schema)}.${identifier(name)}`;
  const label = `${word.toLowerCase()} ${schema}.${name}`;
  const held = heldOn(fact);
  return {
    type: kind,
    label,
    grantee: `${kind.toUpperCase()} ${sql}`,
    alter: `${word} ${sql}`,
    ...held,
    linked: fact?.linked ?? false,
  };
}

function functionTargets(declared: string, schemaOption: string | undefined, { content }: Place): readonly Target[] {
  const facts = content?.functions ?? [];
  if (declared === '*') {
    const schema = schemaOption ?? 'public';
    return facts.filter((fact) => fact.declared === null && fact.schema === schema).map(functionTarget);
  }
  const wanted = qualifyFunction(declared, schemaOption);
  const found = facts.find((fact) => fact.declared === wanted);
  return [functionTarget(found ?? { signature: wanted })];
}

function functionTarget(fact: {
  readonly signature: string;
  readonly owner?: string;
  readonly acl?: readonly string[];
}): Target {
  const sql = `ROUTINE ${fact.signature}`;
  const held = heldOn(fact.owner === undefined ? undefined : { owner: fact.owner, acl: fact.acl ?? [] });
  return { type: 'function', label: `function ${fact.signature}`, grantee: sql, alter: sql, ...held };
}

function heldOn(fact: { readonly owner: string | undefined; readonly acl: readonly string[] } | undefined) {
  return { owner: fact?.owner, acl: parseAcl(fact?.acl ?? []), linked: false };
}

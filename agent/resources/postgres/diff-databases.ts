import type { DatabaseSpec } from '../../../desired-state/schema/postgres-database.ts';
import type { Cluster } from '../../host/postgres/port.ts';
import type { DatabaseFact } from './facts.ts';
import { isBuiltIn, normalEncoding, normalLocale } from './locale-name.ts';
import { databaseSettings } from './session-settings.ts';
import { identifier, literal } from './sql.ts';
import type { Change } from './state.ts';

/** Databases themselves, without what is in them. Pure. */

type Specs = Readonly<Record<string, DatabaseSpec>>;

/** template0 alone can be copied with another encoding or locale. */
const TEMPLATE = 'template0';

export function diffDatabases(
  cluster: Cluster,
  specs: Specs,
  facts: readonly DatabaseFact[],
  locales: readonly string[],
): readonly Change[] {
  const present = Object.entries(specs).filter(([, spec]) => spec.ensure === 'present');
  const factOf = (name: string) => facts.find((fact) => fact.name === name);
  const missing = present.filter(([name]) => factOf(name) === undefined);
  return [
    ...missingLocales(
      missing.map(([, spec]) => spec),
      locales,
    ),
    ...missing.map(([name, spec]) => create(cluster, name, spec)),
    ...present.flatMap(([name, spec]) => {
      const fact = factOf(name);
      return fact === undefined ? [] : alter(cluster, name, spec, fact);
    }),
    ...present.flatMap(([name, spec]) => databaseSettings(cluster, name, spec.settings, factOf(name)?.settings ?? [])),
  ];
}

export function diffLeavingDatabases(
  cluster: Cluster,
  specs: Specs,
  facts: readonly DatabaseFact[],
): readonly Change[] {
  return facts
    .filter(({ name }) => specs[name]?.ensure === 'absent')
    .map(({ name }) => ({
      type: 'sql',
      cluster,
      database: 'postgres',
      statements: [{ sql: `DROP DATABASE ${identifier(name)} WITH (FORCE)` }],
      summary: `drop database ${name} with its data`,
      hazard: 'destructive',
    }));
}

function missingLocales(specs: readonly DatabaseSpec[], there: readonly string[]): readonly Change[] {
  const known = new Set(there.map(normalLocale));
  const wanted = specs.flatMap((spec) => [collateOf(spec), ctypeOf(spec)]).filter((locale) => locale !== undefined);
  const missing = wanted.filter((locale) => !isBuiltIn(locale) && !known.has(normalLocale(locale)));
  return [...new Set(missing)].map((locale) => ({ type: 'locale', locale }));
}

function collateOf(spec: DatabaseSpec): string | undefined {
  return spec.lc_collate ?? spec.locale;
}

function ctypeOf(spec: DatabaseSpec): string | undefined {
  return spec.lc_ctype ?? spec.locale;
}

function create(cluster: Cluster, name: string, spec: DatabaseSpec): Change {
  const collate = collateOf(spec);
  const ctype = ctypeOf(spec);
  const words = [
    ...(spec.owner === undefined ? [] : [`OWNER ${identifier(spec.owner)}`]),
    `TEMPLATE ${identifier(spec.template ?? TEMPLATE)}`,
    `ENCODING ${literal(normalEncoding(spec.encoding ?? 'UTF8'))}`,
    ...(collate === undefined ? [] : [`LC_COLLATE ${literal(collate)}`]),
    ...(ctype === undefined ? [] : [`LC_CTYPE ${literal(ctype)}`]),
    ...(spec.connection_limit === undefined ? [] : [`CONNECTION LIMIT ${spec.connection_limit}`]),
  ];
  const details = [spec.owner && `owner ${spec.owner}`, spec.encoding ?? 'UTF8', spec.locale ?? collate];
  return {
    type: 'sql',
    cluster,
    database: 'postgres',
    statements: [{ sql: `CREATE DATABASE ${identifier(name)} ${words.join(' ')}` }],
    summary: `create database ${name} (${details.filter((detail) => detail !== undefined).join(', ')})`,
    hazard: 'none',
  };
}

function alter(cluster: Cluster, name: string, spec: DatabaseSpec, fact: DatabaseFact): readonly Change[] {
  const change = (clause: string, summary: string): Change => ({
    type: 'sql',
    cluster,
    database: 'postgres',
    statements: [{ sql: `ALTER DATABASE ${identifier(name)} ${clause}` }],
    summary,
    hazard: 'none',
  });
  const { owner, connection_limit: limit } = spec;
  return [
    ...(owner === undefined || owner === fact.owner
      ? []
      : [change(`OWNER TO ${identifier(owner)}`, `make ${owner} the owner of database ${name} (is ${fact.owner})`)]),
    ...(limit === undefined || limit === fact.connection_limit
      ? []
      : [
          change(
            `CONNECTION LIMIT ${limit}`,
            `set the connection limit of database ${name} to ${limit} (is ${fact.connection_limit})`,
          ),
        ]),
    ...fixedAtCreation(name, spec, fact),
  ];
}

function fixedAtCreation(name: string, spec: DatabaseSpec, fact: DatabaseFact): readonly Change[] {
  const collate = collateOf(spec);
  const ctype = ctypeOf(spec);
  const differing = [
    differs('encoding', spec.encoding, fact.encoding, normalEncoding),
    differs('collation', collate, fact.collate, normalLocale),
    differs('character classes', ctype, fact.ctype, normalLocale),
  ].filter((text) => text !== undefined);
  if (differing.length === 0) return [];
  const message = `database ${name} has ${differing.join(', ')}; PostgreSQL fixes these when a database is made: dump it, drop it and let it be made anew, or declare what it has`;
  return [{ type: 'refused', summary: `change ${differing.join(', ')} of database ${name}`, message, stalled: true }];
}

function differs(
  what: string,
  wanted: string | undefined,
  is: string,
  normal: (text: string) => string,
): string | undefined {
  return wanted === undefined || normal(wanted) === normal(is) ? undefined : `${what} ${is} and not ${wanted}`;
}

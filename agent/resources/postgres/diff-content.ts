import type { DatabaseSpec, TableSpec } from '../../../desired-state/schema/postgres-database.ts';
import type { Cluster } from '../../host/postgres/port.ts';
import type { Hazard } from '../../resource.ts';
import { diffDefaultPrivileges } from './diff-default-privileges.ts';
import { diffGrants } from './diff-grants.ts';
import type { ContentFacts } from './facts.ts';
import { type Place, qualify, targetsOf } from './selection.ts';
import { identifier, literal } from './sql.ts';
import type { Change } from './state.ts';

/** What is in a database: schemas, extensions, tables, owners, privileges. Pure. */

export function diffContent(cluster: Cluster, place: Place, spec: DatabaseSpec, version: number): readonly Change[] {
  const sql = (statement: string, summary: string, hazard: Hazard = 'none'): Change => ({
    type: 'sql',
    cluster,
    database: place.name,
    statements: [{ sql: statement }],
    summary: summary.includes(`database ${place.name}`) ? summary : `${summary} in ${place.name}`,
    hazard,
  });
  return [
    ...schemas(sql, spec, place.content),
    ...extensions(sql, spec, place.content),
    ...Object.entries(spec.tables).flatMap(([name, table]) => tables(sql, name, table, place.content)),
    ...owners(sql, spec, place),
    ...diffGrants(sql, spec.grants, place, version),
    ...diffDefaultPrivileges(sql, spec.default_privileges, place.content, version),
  ];
}

export type SqlChange = (statement: string, summary: string, hazard?: Hazard) => Change;

function schemas(sql: SqlChange, spec: DatabaseSpec, content: ContentFacts | undefined): readonly Change[] {
  return Object.entries(spec.schemas).flatMap(([name, wanted]) => {
    // Every new database has this one.
    const isThere = content === undefined && name === 'public';
    const fact = content?.schemas.find((schema) => schema.name === name);
    const owner = 'owner' in wanted ? wanted.owner : undefined;
    if (wanted.ensure === 'absent') {
      return fact === undefined && !isThere
        ? []
        : [sql(`DROP SCHEMA ${identifier(name)}`, `drop schema ${name}`, 'destructive')];
    }
    const authorization = owner === undefined ? '' : ` AUTHORIZATION ${identifier(owner)}`;
    if (fact === undefined && !isThere) {
      return [sql(`CREATE SCHEMA ${identifier(name)}${authorization}`, `create schema ${name}`)];
    }
    if (owner === undefined || owner === fact?.owner) return [];
    return [
      sql(
        `ALTER SCHEMA ${identifier(name)} OWNER TO ${identifier(owner)}`,
        `make ${owner} the owner of schema ${name}`,
      ),
    ];
  });
}

function extensions(sql: SqlChange, spec: DatabaseSpec, content: ContentFacts | undefined): readonly Change[] {
  return Object.entries(spec.extensions).flatMap(([name, entry]) => {
    const wanted: {
      readonly ensure: string;
      readonly version?: string | undefined;
      readonly schema?: string | undefined;
    } = entry;
    const fact = content?.extensions.find((extension) => extension.name === name);
    if (wanted.ensure === 'absent') {
      return fact === undefined
        ? []
        : [sql(`DROP EXTENSION ${identifier(name)}`, `drop extension ${name}`, 'destructive')];
    }
    const version = wanted.version === 'latest' ? fact?.available : wanted.version;
    if (fact === undefined) {
      const words = [
        ...(wanted.schema === undefined ? [] : [`SCHEMA ${identifier(wanted.schema)}`]),
        ...(version === undefined || version === null ? [] : [`VERSION ${literal(version)}`]),
        'CASCADE',
      ];
      return [sql(`CREATE EXTENSION ${identifier(name)} ${words.join(' ')}`, `create extension ${name}`)];
    }
    const moves =
      wanted.schema === undefined || wanted.schema === fact.schema
        ? []
        : [
            sql(
              `ALTER EXTENSION ${identifier(name)} SET SCHEMA ${identifier(wanted.schema)}`,
              `move extension ${name} to schema ${wanted.schema}`,
            ),
          ];
    return [...moves, ...(version === undefined || version === null ? [] : updates(sql, name, fact.version, version))];
  });
}

function updates(sql: SqlChange, name: string, is: string, wanted: string): readonly Change[] {
  if (is === wanted) return [];
  const summary = `update extension ${name} from ${is} to ${wanted}`;
  if (compareVersions(wanted, is) < 0) {
    const message = `extension ${name} has version ${is}, and ${wanted} is older: extensions cannot go back. Declare ${is} or "latest", or drop it first`;
    return [{ type: 'refused', summary, message, stalled: true }];
  }
  return [sql(`ALTER EXTENSION ${identifier(name)} UPDATE TO ${literal(wanted)}`, summary)];
}

/** `1.10` is newer than `1.9`; words count as text. */
export function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

function tables(
  sql: SqlChange,
  declared: string,
  spec: TableSpec,
  content: ContentFacts | undefined,
): readonly Change[] {
  const { schema, name } = qualify(declared, undefined);
  const table = `${identifier(schema)}.${identifier(name)}`;
  const fact = content?.relations.find((relation) => relation.schema === schema && relation.name === name);
  const column = ([columnName, type]: readonly [string, string]) => `${identifier(columnName)} ${type}`;
  const owner =
    spec.owner === undefined || spec.owner === fact?.owner
      ? []
      : [
          sql(
            `ALTER TABLE ${table} OWNER TO ${identifier(spec.owner)}`,
            `make ${spec.owner} the owner of table ${schema}.${name}`,
          ),
        ];
  if (fact === undefined) {
    const columns = Object.entries(spec.columns).map(column).join(', ');
    return [sql(`CREATE TABLE ${table} (${columns})`, `create table ${schema}.${name}`), ...owner];
  }
  const there = new Set(
    content?.columns.filter((one) => one.schema === schema && one.table === name).map((one) => one.name),
  );
  const added = Object.entries(spec.columns).filter(([columnName]) => !there.has(columnName));
  return [
    ...added.map((entry) =>
      sql(`ALTER TABLE ${table} ADD COLUMN ${column(entry)}`, `add column ${entry[0]} to table ${schema}.${name}`),
    ),
    ...owner,
  ];
}

function owners(sql: SqlChange, spec: DatabaseSpec, place: Place): readonly Change[] {
  return spec.ownership.flatMap(({ owner, on }) =>
    targetsOf(on, place)
      .filter((target) => !target.linked && target.owner !== owner)
      .map((target) =>
        sql(`ALTER ${target.alter} OWNER TO ${identifier(owner)}`, `make ${owner} the owner of ${target.label}`),
      ),
  );
}

import { type CreateTableBuilder, type Kysely, type RawBuilder, SqliteAdapter, sql } from 'kysely';
import type { Tables } from '../tables.ts';

/** What the two databases spell differently. */
export interface Types {
  /** A new table; with `id`, its first column is a number that the database gives, never twice the same. */
  readonly table: (name: keyof Tables, options?: { readonly id?: boolean }) => CreateTableBuilder<string, string>;
  readonly bytes: RawBuilder<unknown>;
  /** Milliseconds since the epoch. */
  readonly moment: RawBuilder<unknown>;
  /** A whole number that may be beyond 2^31. */
  readonly size: RawBuilder<unknown>;
}

export function typesOf(db: Kysely<Tables>): Types {
  return db.getExecutor().adapter instanceof SqliteAdapter ? sqliteTypes(db) : postgresTypes(db);
}

/** Strict tables: SQLite would otherwise keep what PostgreSQL refuses. */
function sqliteTypes(db: Kysely<Tables>): Types {
  return {
    table(name, options) {
      const created = db.schema.createTable(name).modifyEnd(sql`strict`);
      return options?.id === true
        ? created.addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
        : created;
    },
    bytes: sql`blob`,
    moment: sql`integer`,
    size: sql`integer`,
  };
}

function postgresTypes(db: Kysely<Tables>): Types {
  return {
    table(name, options) {
      const created = db.schema.createTable(name);
      return options?.id === true
        ? created.addColumn('id', 'bigint', (column) => column.primaryKey().generatedByDefaultAsIdentity())
        : created;
    },
    bytes: sql`bytea`,
    moment: sql`bigint`,
    size: sql`bigint`,
  };
}

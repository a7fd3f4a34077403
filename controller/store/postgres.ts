import { PostgresDialect } from 'kysely';
import type { Pool } from 'pg';
import type { StoreLog } from './log.ts';

/** The settings of one connection. */
export function connectionOf(databaseUrl: string) {
  return {
    connectionString: databaseUrl,
    application_name: 'holdfast-controller',
    connectionTimeoutMillis: 5000,
    keepAlive: true,
  };
}

/** Loaded only when it is used. Of a CommonJS module the bundle knows only the default export. */
export async function loadPg() {
  return (await import('pg')).default;
}

export async function openPostgres(databaseUrl: string, log: StoreLog): Promise<PostgresDialect> {
  const pg = await loadPg();
  const types = new pg.TypeOverrides();
  // Of counts and sums, too; pg gives them as texts. What is stored stays below 2^53.
  for (const oid of [pg.types.builtins.INT8, pg.types.builtins.NUMERIC]) types.setTypeParser(oid, Number);
  const pool: Pool = new pg.Pool({
    ...connectionOf(databaseUrl),
    max: 10,
    idleTimeoutMillis: 60_000,
    // A query that takes so long would hold up what it is for; the caller tries again.
    query_timeout: 30_000,
    statement_timeout: 30_000,
    idle_in_transaction_session_timeout: 30_000,
    types,
  });
  // A connection that is lost while idle is replaced when the next is wanted.
  pool.on('error', (error) => log.warn({ reason: error.message }, 'a connection to the database was lost'));
  return new PostgresDialect({ pool });
}

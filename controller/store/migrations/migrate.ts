import type { Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type { Tables } from '../tables.ts';
import { up as tables } from './0001-tables.ts';

/**
 * In the order of their names. They only add, so that controllers of the version before go on working on a database that
 * they share with one that is newer.
 */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-tables': { up: tables },
};

/**
 * Brings the tables to what this program knows. Two that do so at once take turns; one that is killed leaves nothing half
 * done. Returns the names of those that ran. Throws when the database was written by a newer program.
 */
export async function migrate(
  db: Kysely<Tables>,
  migrations: Readonly<Record<string, Migration>> = MIGRATIONS,
): Promise<readonly string[]> {
  await refuseNewer(db, migrations);
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const { error, results } = await migrator.migrateToLatest();
  if (error !== undefined) {
    const failed = results?.find(({ status }) => status === 'Error')?.migrationName;
    const where = failed === undefined ? '' : ` at "${failed}"`;
    throw new Error(`the database cannot be brought up to date${where}: ${messageOf(error)}`, { cause: error });
  }
  return (results ?? []).map(({ migrationName }) => migrationName);
}

async function refuseNewer(db: Kysely<Tables>, known: Readonly<Record<string, Migration>>): Promise<void> {
  const tablesThere = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tablesThere.some(({ name }) => name === 'kysely_migration')) return;
  const done = await db
    .withTables<{ kysely_migration: { name: string } }>()
    .selectFrom('kysely_migration')
    .select('name')
    .orderBy('name')
    .execute();
  const unknown = done.map(({ name }) => name).filter((name) => known[name] === undefined);
  if (unknown.length === 0) return;
  throw new Error(
    `the database was brought up to date by a newer controller (this one does not know ${unknown.join(', ')}): ` +
      'install that version, or restore a backup from before the upgrade',
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

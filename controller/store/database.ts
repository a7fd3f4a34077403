import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Kysely } from 'kysely';
import { type Bus, LocalBus } from './bus.ts';
import type { StoreLog } from './log.ts';
import { openMasterKey } from './master-key.ts';
import { migrate } from './migrations/migrate.ts';
import { openPostgres } from './postgres.ts';
import { PostgresBus } from './postgres-bus.ts';
import { Sealer } from './sealed.ts';
import { lockFile, NodeSqliteDialect } from './sqlite.ts';
import type { Tables } from './tables.ts';

/** What the controller keeps, and how controllers of one database hear of each other. */
export interface Store {
  readonly db: Kysely<Tables>;
  readonly bus: Bus;
  readonly sealer: Sealer;
  /** 32 bytes, for `derive()`. */
  readonly masterKey: Uint8Array;
  /** Whether other controllers may work on the same database. */
  readonly shared: boolean;
  close(): Promise<void>;
}

export type StoreOptions = { readonly log: StoreLog } & (
  | { readonly databaseUrl: string; readonly masterKeyFile: string }
  | { readonly path: string; readonly masterKeyFile: string }
  /** Gone with the process, for tests. */
  | { readonly path: ':memory:' }
);

/**
 * Opens the database, brings its tables up to date and takes up the master key. Throws, with what to do, when it cannot
 * be reached, is used by another controller that cannot share it, is newer than this program or sealed with another key.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { log } = options;
  const closers: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const shared = 'databaseUrl' in options;
    if ('path' in options && options.path !== ':memory:') closers.push(await claimFile(options.path));
    const dialect = shared ? await openPostgres(options.databaseUrl, log) : new NodeSqliteDialect(options.path);
    const db = new Kysely<Tables>({ dialect });
    closers.push(() => db.destroy());
    const done = await migrate(db);
    if (done.length > 0) log.info({ migrations: done }, 'database brought up to date');
    const masterKey = 'masterKeyFile' in options ? await openMasterKey(db, options.masterKeyFile) : randomBytes(32);
    const bus = shared ? new PostgresBus({ databaseUrl: options.databaseUrl, db, log }) : new LocalBus(log);
    closers.push(() => bus.close());
    if (bus instanceof PostgresBus) await bus.open();
    return { db, bus, sealer: new Sealer(masterKey), masterKey, shared, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** One controller at a time has the file. Readable by its owner alone, before anything is in it. */
async function claimFile(path: string): Promise<() => void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  for (const name of [path, `${path}.lock`]) {
    // Made by opening it only where it is missing: closing a file again would end the locks that this process has on it.
    await open(name, 'ax', 0o600).then(
      (file) => file.close(),
      () => chmod(name, 0o600),
    );
  }
  return lockFile(`${path}.lock`);
}

import { constants, DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type QueryCompiler,
  type QueryResult,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type SqliteStatement,
} from 'kysely';

/** How many prepared statements are kept; the program has about as many. */
const KEPT_STATEMENTS = 256;

/** How long queries may follow each other without letting requests have their turn. */
const TURN_MS = 5;

/**
 * Kysely over Node's own SQLite. One connection, whose calls are synchronous: a query must be answered by an index, and
 * what concerns many rows goes in small batches. Between them the event loop has its turns.
 */
export class NodeSqliteDialect implements Dialect {
  readonly #database: Connection;

  /** `:memory:` for one that is gone with the process. Throws when the file is not a database or cannot be opened. */
  constructor(path: string) {
    this.#database = new Connection(openDatabase(path));
  }

  createDriver(): Driver {
    return new TurnTakingDriver({ database: this.#database });
  }

  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler();
  }

  createAdapter(): DialectAdapter {
    return new TransactionalAdapter();
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }
}

class TurnTakingDriver extends SqliteDriver {
  #connection: DatabaseConnection | undefined;
  #taken = false;
  readonly #waiting: (() => void)[] = [];

  /**
   * Who asks first is first. Kysely's own lock wakes all that wait each time that it is free, of whom one gets it: 2,000
   * requests at once would never end.
   */
  override async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#taken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#taken = true;
    this.#connection ??= new TurnTakingConnection(await super.acquireConnection());
    return this.#connection;
  }

  override async releaseConnection(): Promise<void> {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken = false;
    else next();
  }
}

/** Promises alone never let the event loop go on: a row of queries would hold up everything else until its end. */
class TurnTakingConnection implements DatabaseConnection {
  readonly #connection: DatabaseConnection;
  #busy_ms = 0;

  constructor(connection: DatabaseConnection) {
    this.#connection = connection;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#busy_ms > TURN_MS) {
      await setImmediate();
      this.#busy_ms = 0;
    }
    const start = performance.now();
    try {
      return await this.#connection.executeQuery<R>(query);
    } finally {
      this.#busy_ms += performance.now() - start;
    }
  }

  streamQuery(): AsyncIterableIterator<never> {
    throw new Error('the store streams no queries: a stream would hold its only connection');
  }
}

/** SQLite undoes the creation of tables with the transaction, so a migration that is killed leaves nothing. */
class TransactionalAdapter extends SqliteAdapter {
  /** The driver itself sees to it that its connection is lent to one at a time. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }

  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/**
 * Holds a lock as long as the process lives, however it ends: an empty database with a transaction that stays open, since
 * Node has no other lock of the kernel's. Throws when another process holds it. Returns what lets it go.
 */
export function lockFile(path: string): () => void {
  const database = new DatabaseSync(path, { timeout: 1000 });
  try {
    database.exec('begin exclusive');
  } catch (error) {
    database.close();
    throw new Error(`another controller holds ${path}: one state directory is for one controller`, { cause: error });
  }
  return () => database.close();
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true });
  // FULL: what was promised to a host or an operator survives a power cut. Writes are few, and batched where they are many.
  database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma temp_store = memory');
  // A file that was once large gives its space back.
  database.exec('pragma journal_size_limit = 16777216');
  database.setAuthorizer((action) =>
    action === constants.SQLITE_ATTACH || action === constants.SQLITE_DETACH
      ? constants.SQLITE_DENY
      : constants.SQLITE_OK,
  );
  return database;
}

class Connection implements SqliteDatabase {
  readonly #database: DatabaseSync;
  /** The least recently used first. */
  readonly #statements = new Map<string, Statement>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  prepare(sql: string): SqliteStatement {
    const statement = this.#statements.get(sql) ?? new Statement(this.#database.prepare(sql));
    this.#statements.delete(sql);
    this.#statements.set(sql, statement);
    const [oldest] = this.#statements.keys();
    if (this.#statements.size > KEPT_STATEMENTS && oldest !== undefined) this.#statements.delete(oldest);
    return statement;
  }

  close(): void {
    this.#statements.clear();
    // What the planner should know of the tables, for the next start.
    this.#database.exec('pragma optimize');
    this.#database.close();
  }
}

class Statement implements SqliteStatement {
  readonly reader: boolean;
  readonly #statement: StatementSync;

  constructor(statement: StatementSync) {
    this.#statement = statement;
    this.reader = statement.columns().length > 0;
  }

  all(parameters: readonly unknown[]): unknown[] {
    // As PostgreSQL's rows, they are ordinary objects.
    return this.#statement.all(...parameters.map(bindable)).map((row) => ({ ...row }));
  }

  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    return this.#statement.run(...parameters.map(bindable));
  }

  iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    return this.#statement.iterate(...parameters.map(bindable));
  }
}

/** Throws what PostgreSQL would not take either, where SQLite's binding would say less. */
function bindable(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string') {
    return value;
  }
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`a ${typeof value} cannot be stored: only texts, numbers, bytes and null`);
}

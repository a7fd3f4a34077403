import type { Client, QueryResult } from 'pg';
import { type PeerIdentity, PeerSocket } from './peer-socket.ts';
import type { Row, SqlValue, Statement } from './port.ts';

/** One kept connection to one database. Queries on it run one after another. */

const CONNECT_TIMEOUT_MS = 5_000;
/** A check reads catalogs only: a longer one means a server in trouble. */
const READ_TIMEOUT_MS = 30_000;
/** CREATE DATABASE copies a template, CREATE EXTENSION runs a script. */
const WRITE_TIMEOUT_MS = 300_000;
/** A change waits no longer for a lock, because everything that comes later queues behind it. */
const LOCK_TIMEOUT_MS = 10_000;
/** What the server has over its own `statement_timeout` to answer before the connection is given up. */
const GRACE_MS = 5_000;

export interface Target {
  readonly socketDirectory: string;
  readonly port: number;
  readonly database: string;
  readonly identity: PeerIdentity;
}

export class Session {
  readonly opened_ms = Date.now();
  lastUsed_ms = Date.now();
  readonly #client: Client;
  readonly #socket: PeerSocket;
  readonly #statements = new Map<string, string>();
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #ended = false;

  private constructor(client: Client, socket: PeerSocket) {
    this.#client = client;
    this.#socket = socket;
    client.on('error', () => this.#end());
    client.on('end', () => this.#end());
  }

  /** Rejects with the server's or the socket's own error, which has a `code`. */
  static async open(target: Target): Promise<Session> {
    const { default: pg } = await import('pg');
    const socket = new PeerSocket(target.identity);
    const client = new pg.Client({
      host: target.socketDirectory,
      port: target.port,
      user: 'postgres',
      database: target.database,
      application_name: 'holdfast',
      // A function, or the library looks for a .pgpass file when a broken pg_hba.conf asks for a password.
      password: () => '',
      ssl: false,
      stream: () => socket,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    // Before a listener is there, a server that goes away during start-up would end the process.
    client.on('error', () => {});
    await client.connect();
    const session = new Session(client, socket);
    // Set on the session and not at start-up, so that `pg_settings.reset_val` keeps the values of the configuration.
    await session.#run(
      READ_TIMEOUT_MS,
      `set default_transaction_read_only = on; set search_path = pg_catalog; set plan_cache_mode = force_generic_plan; set lock_timeout = ${LOCK_TIMEOUT_MS}; set statement_timeout = ${READ_TIMEOUT_MS}`,
    );
    return session;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get busy(): boolean {
    return this.#waiting > 0;
  }

  /** Prepared once on a connection: to parse and plan a query over catalogs takes longer than to run it. */
  query(sql: string, values: readonly SqlValue[]): Promise<readonly Row[]> {
    return this.#alone(async () => (await this.#run(READ_TIMEOUT_MS, sql, values, this.#statementName(sql))).rows);
  }

  /** Several statements are one transaction; one statement stands alone, as CREATE DATABASE must. */
  execute(statements: readonly Statement[]): Promise<void> {
    return this.#alone(async () => {
      await this.#run(
        READ_TIMEOUT_MS,
        `set default_transaction_read_only = off; set statement_timeout = ${WRITE_TIMEOUT_MS}`,
      );
      try {
        if (statements.length > 1) await this.#run(READ_TIMEOUT_MS, 'begin');
        for (const { sql, values } of statements) await this.#run(WRITE_TIMEOUT_MS, sql, values);
        if (statements.length > 1) await this.#run(WRITE_TIMEOUT_MS, 'commit');
      } catch (error) {
        if (!this.#ended && statements.length > 1) await this.#run(READ_TIMEOUT_MS, 'rollback');
        throw error;
      } finally {
        if (!this.#ended) {
          await this.#run(
            READ_TIMEOUT_MS,
            `set default_transaction_read_only = on; set statement_timeout = ${READ_TIMEOUT_MS}`,
          );
        }
      }
    });
  }

  /** Ends at once; a query under way is rejected. */
  close(): void {
    this.#end();
    this.#client.end().catch(() => {});
    // A server that does not answer would keep the socket open.
    this.#socket.destroySoon();
  }

  /** The process may end while a session is only kept, and not while it is used. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const turn = this.#queue.then(() => {
      this.#socket.ref();
      return work();
    });
    this.#queue = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      this.#waiting -= 1;
      this.lastUsed_ms = Date.now();
      if (!this.busy) this.#socket.unref();
    }
  }

  #statementName(sql: string): string {
    const name = this.#statements.get(sql) ?? `holdfast_${this.#statements.size}`;
    this.#statements.set(sql, name);
    return name;
  }

  async #run(timeout_ms: number, sql: string, values?: readonly SqlValue[], name?: string): Promise<QueryResult<Row>> {
    const timer = setTimeout(() => this.#socket.destroy(timedOut(timeout_ms)), timeout_ms + GRACE_MS);
    try {
      if (name !== undefined) return await this.#client.query<Row>({ name, text: sql, values: [...(values ?? [])] });
      return values === undefined || values.length === 0
        ? await this.#client.query<Row>(sql)
        : await this.#client.query<Row>(sql, [...values]);
    } finally {
      clearTimeout(timer);
    }
  }

  #end(): void {
    this.#ended = true;
  }
}

function timedOut(timeout_ms: number): Error {
  return new Error(`PostgreSQL did not answer within ${(timeout_ms + GRACE_MS) / 1000} s`);
}

import { randomUUID } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Client, Notification } from 'pg';
import { type Bus, type Handler, Subscribers, type Topic } from './bus.ts';
import type { StoreLog } from './log.ts';
import { connectionOf, loadPg } from './postgres.ts';
import type { Tables } from './tables.ts';

const CHANNEL = 'holdfast';
/** PostgreSQL takes less than 8000. */
const MAX_PAYLOAD_BYTES = 7900;

const RECONNECT_MS = { first: 100, most: 5000 } as const;
/** A connection whose other end is gone says nothing: it is asked this often, and has this long for an answer. */
const PROBE_MS = { every: 10_000, bound: 5000 } as const;

/**
 * LISTEN/NOTIFY: one connection that listens, next to the pool's. Subscribers of the same process are told directly, so
 * that a lost connection costs them nothing.
 */
export class PostgresBus implements Bus {
  readonly #databaseUrl: string;
  readonly #db: Kysely<Tables>;
  readonly #log: StoreLog;
  readonly #subscribers: Subscribers;
  /** Tells what this process has sent from what others have. */
  readonly #self = randomUUID();
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempts = 0;
  #closed = false;

  constructor(options: { readonly databaseUrl: string; readonly db: Kysely<Tables>; readonly log: StoreLog }) {
    this.#databaseUrl = options.databaseUrl;
    this.#db = options.db;
    this.#log = options.log;
    this.#subscribers = new Subscribers(options.log);
  }

  /** Resolves once it listens. Rejects when the database cannot be reached; later losses are mended. */
  async open(): Promise<void> {
    await this.#connect();
  }

  async publish(topic: Topic, text: string): Promise<void> {
    const payload = JSON.stringify([this.#self, topic, text]);
    if (Buffer.byteLength(payload) > MAX_PAYLOAD_BYTES) throw new Error(`a message of topic ${topic} is too long`);
    this.#subscribers.tell(topic, text, 'self');
    await sql`select pg_notify(${CHANNEL}, ${payload})`.execute(this.#db);
  }

  subscribe(topic: Topic, handler: Handler): () => void {
    return this.#subscribers.subscribe(topic, handler);
  }

  onGap(handler: () => void | Promise<void>): () => void {
    return this.#subscribers.onGap(handler);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  async #connect(): Promise<void> {
    const pg = await loadPg();
    const client = new pg.Client({ ...connectionOf(this.#databaseUrl), query_timeout: PROBE_MS.bound });
    // Before it is connected as well: pg emits what happens between two queries, and an unheard error ends the process.
    client.on('error', (error) => this.#lost(client, error.message));
    client.on('end', () => this.#lost(client, 'the connection was closed'));
    client.on('notification', (message) => this.#hear(message));
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
    } catch (error) {
      void client.end().catch(() => undefined);
      throw error;
    }
    if (this.#closed) {
      await client.end();
      return;
    }
    this.#client = client;
    this.#attempts = 0;
    this.#probeLater(client);
  }

  #probeLater(client: Client): void {
    this.#timer = setTimeout(() => {
      client.query('select 1').then(
        () => {
          if (client === this.#client) this.#probeLater(client);
        },
        (error: unknown) => this.#lost(client, messageOf(error)),
      );
    }, PROBE_MS.every);
  }

  #lost(client: Client, reason: string): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    clearTimeout(this.#timer);
    // Its socket may be half open: an orderly end could wait for ever.
    client.connection.stream.destroy();
    this.#log.warn({ reason }, 'the connection that listens to other controllers was lost');
    this.#reconnectLater();
  }

  /** With full jitter: all controllers lose the database in the same moment. */
  #reconnectLater(): void {
    if (this.#closed) return;
    const most_ms = Math.min(RECONNECT_MS.most, RECONNECT_MS.first * 2 ** this.#attempts);
    this.#attempts += 1;
    this.#timer = setTimeout(() => void this.#reconnect(), most_ms * (0.5 + Math.random() / 2));
  }

  async #reconnect(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, 'the database cannot be listened to; trying again');
      this.#reconnectLater();
      return;
    }
    if (this.#closed) return;
    this.#log.info({}, 'listening to other controllers again');
    this.#subscribers.tellGap();
  }

  #hear({ payload = '' }: Notification): void {
    const [sender, topic, text] = JSON.parse(payload) as [string, Topic, string];
    if (sender !== this.#self) this.#subscribers.tell(topic, text, 'other');
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

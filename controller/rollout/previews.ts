import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { type Preview, previewSchema } from '../../desired-state/schema/preview.ts';
import type { Log } from '../intake/intake.ts';
import { batchesOf } from '../store/batches.ts';
import type { Store } from '../store/database.ts';

export interface PreviewsOptions {
  readonly store: Pick<Store, 'db' | 'bus' | 'sealer'>;
  readonly now_ms: () => number;
  /** Lets the held requests of these hosts go, so that they can be asked. */
  readonly wake: (hosts: readonly string[]) => void;
  readonly log: Log;
}

/** What a controller tells the others: whom to ask what until when, or that an answer is there. */
const messageSchema = v.union([
  v.object({ ask: v.array(v.object({ id: v.string(), host: v.string() })), until_ms: v.number() }),
  v.object({ answered: v.string() }),
]);

interface Question {
  readonly id: string;
  readonly until_ms: number;
  /** At hand where it was asked here. */
  readonly text?: string;
}

/** Hosts per message and per statement: a manifest may be large. */
const BATCH = 20;

/**
 * Asks hosts what a manifest would change, over the requests that their agents keep open, at whatever controller. Nothing
 * of it changes anything; who does not answer in time is not waited for.
 */
export class Previews {
  readonly #options: PreviewsOptions;
  /** By host: what is to be asked when its agent is next there. */
  readonly #questions = new Map<string, Question>();
  /** By id: who waits for the answer here. */
  readonly #asked = new Map<string, (preview: Preview) => void>();
  readonly #ends: (() => void)[] = [];

  constructor(options: PreviewsOptions) {
    this.#options = options;
  }

  open(): void {
    this.#ends.push(
      this.#options.store.bus.subscribe('preview', (text, sender) =>
        sender === 'self' ? undefined : this.#hear(text),
      ),
    );
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  /** Resolves with what came in time, by host. `texts` are manifests by host. */
  async ask(
    texts: ReadonlyMap<string, string>,
    { bound_ms, signal }: { readonly bound_ms: number; readonly signal: AbortSignal },
  ): Promise<ReadonlyMap<string, Preview>> {
    const { now_ms, wake } = this.#options;
    const answers = new Map<string, Preview>();
    if (texts.size === 0 || signal.aborted) return answers;
    const asked_ms = now_ms();
    const until_ms = asked_ms + bound_ms;
    const asked = [...texts].map(([host, text]) => ({ id: randomBytes(12).toString('hex'), host, text }));
    const { promise: all, resolve } = Promise.withResolvers<void>();
    for (const { id, host, text } of asked) {
      this.#questions.set(host, { id, until_ms, text });
      this.#asked.set(id, (preview) => {
        answers.set(host, preview);
        if (answers.size === asked.length) resolve();
      });
    }
    const timer = setTimeout(resolve, bound_ms);
    signal.addEventListener('abort', () => resolve(), { once: true });
    try {
      await this.#keep(asked, asked_ms);
      wake([...texts.keys()]);
      for (const batch of batchesOf(asked, BATCH)) {
        await this.#publish({ ask: batch.map(({ id, host }) => ({ id, host })), until_ms });
      }
      await all;
    } finally {
      clearTimeout(timer);
      for (const { id, host } of asked) {
        this.#asked.delete(id);
        if (this.#questions.get(host)?.id === id) this.#questions.delete(host);
      }
      await this.#forget(asked.map(({ id }) => id));
    }
    return answers;
  }

  /** What the host is to be asked now. It is asked once. */
  async next(host: string): Promise<{ readonly id: string; readonly text: string } | undefined> {
    const question = this.#questions.get(host);
    if (question === undefined) return undefined;
    this.#questions.delete(host);
    const { id, until_ms, text } = question;
    if (until_ms <= this.#options.now_ms()) return undefined;
    if (text !== undefined) return { id, text };
    const { db, sealer } = this.#options.store;
    const query = db.selectFrom('previews').select('sealed').where('id', '=', id).where('host', '=', host);
    const row = await query.executeTakeFirst();
    return row && { id, text: sealer.open(row.sealed, placeOf(id, host)) };
  }

  /** Takes the answer of a host. `false` where nobody has asked it that, or it has answered already. */
  async answer(host: string, id: string, preview: Preview): Promise<boolean> {
    const { db } = this.#options.store;
    const { numUpdatedRows } = await db
      .updateTable('previews')
      .set({ answer: JSON.stringify(preview), answered_ms: this.#options.now_ms() })
      .where('id', '=', id)
      .where('host', '=', host)
      .where('answer', 'is', null)
      .executeTakeFirst();
    if (numUpdatedRows !== 1n) return false;
    const waiting = this.#asked.get(id);
    if (waiting !== undefined) waiting(preview);
    else await this.#publish({ answered: id });
    return true;
  }

  async #hear(text: string): Promise<void> {
    const message = v.parse(v.pipe(v.string(), v.parseJson(), messageSchema), text);
    if ('answered' in message) {
      const waiting = this.#asked.get(message.answered);
      if (waiting === undefined) return;
      const { db } = this.#options.store;
      const query = db.selectFrom('previews').select('answer').where('id', '=', message.answered);
      const row = await query.executeTakeFirst();
      const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), previewSchema), row?.answer);
      if (parsed.success) waiting(parsed.output);
      return;
    }
    for (const { id, host } of message.ask) this.#questions.set(host, { id, until_ms: message.until_ms });
    this.#options.wake(message.ask.map(({ host }) => host));
  }

  async #keep(
    asked: readonly { readonly id: string; readonly host: string; readonly text: string }[],
    asked_ms: number,
  ): Promise<void> {
    const { db, sealer } = this.#options.store;
    for (const batch of batchesOf(asked, BATCH)) {
      const rows = batch.map(({ id, host, text }) => ({
        id,
        host,
        asked_ms,
        sealed: sealer.seal(text, placeOf(id, host)),
        answer: null,
        answered_ms: null,
      }));
      await db.insertInto('previews').values(rows).execute();
    }
  }

  /** What is left over is dropped by retention: it is no reason to fail a push. */
  async #forget(ids: readonly string[]): Promise<void> {
    try {
      const { db } = this.#options.store;
      for (const batch of batchesOf(ids)) await db.deleteFrom('previews').where('id', 'in', batch).execute();
    } catch (error) {
      this.#options.log.warn({ err: error }, 'what hosts were asked could not be cleared away');
    }
  }

  async #publish(message: v.InferOutput<typeof messageSchema>): Promise<void> {
    await this.#options.store.bus.publish('preview', JSON.stringify(message));
  }
}

function placeOf(id: string, host: string): string {
  return `preview ${id} ${host}`;
}

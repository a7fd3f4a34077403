import type { PauseState } from '../../desired-state/schema/report.ts';
import type { Store } from '../store/database.ts';
import { Turns } from './turns.ts';

export interface PausesOptions {
  readonly store: Pick<Store, 'db' | 'bus'>;
  readonly now_ms: () => number;
  /** Lets the held requests of the host go, so that it hears of it. */
  readonly wake: (hosts: readonly string[]) => void;
}

/** As long as an agent lets itself be paused; who forgets a pause must not switch a host off for good. */
export const MAX_PAUSE_MS = 7 * 24 * 3_600_000;

/** Pauses that operators have ordered. They are told with every answer to the host, and end by themselves. */
export class Pauses {
  readonly #options: PausesOptions;
  readonly #pauses = new Map<string, PauseState>();
  /** What was read earlier must not take the place of what was read, or ordered, later. */
  readonly #turns = new Turns();
  readonly #ends: (() => void)[] = [];

  constructor(options: PausesOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { bus } = this.#options.store;
    this.#ends.push(
      bus.subscribe('pause', (host, sender) =>
        sender === 'self' ? undefined : this.#turns.take(() => this.#reload(host)),
      ),
      bus.onGap(() => this.#turns.take(() => this.#load())),
    );
    await this.#turns.take(() => this.#load());
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  get(host: string): PauseState | undefined {
    const pause = this.#pauses.get(host);
    return pause === undefined || pause.until_ms <= this.#options.now_ms() ? undefined : pause;
  }

  async set(
    host: string,
    order: { readonly for_ms: number; readonly why: string; readonly by: string },
  ): Promise<PauseState> {
    const { store, now_ms } = this.#options;
    const since_ms = now_ms();
    const pause = { by: order.by, why: order.why, since_ms, until_ms: since_ms + order.for_ms };
    await this.#turns.take(async () => {
      await store.db
        .insertInto('pauses')
        .values({ host, ...pause })
        .onConflict((conflict) => conflict.column('host').doUpdateSet(pause))
        .execute();
      this.#pauses.set(host, pause);
    });
    await this.#tell(host);
    return pause;
  }

  /** Resolves with the pause that ended; `undefined` where there was none. */
  async end(host: string): Promise<PauseState | undefined> {
    const ended = await this.#turns.take(async () => {
      const before = this.get(host);
      await this.#options.store.db.deleteFrom('pauses').where('host', '=', host).execute();
      this.#pauses.delete(host);
      return before;
    });
    await this.#tell(host);
    return ended;
  }

  async #tell(host: string): Promise<void> {
    this.#options.wake([host]);
    await this.#options.store.bus.publish('pause', host);
  }

  async #load(): Promise<void> {
    const { store, now_ms } = this.#options;
    await store.db.deleteFrom('pauses').where('until_ms', '<=', now_ms()).execute();
    const rows = await store.db.selectFrom('pauses').selectAll().execute();
    this.#pauses.clear();
    for (const { host, ...pause } of rows) this.#pauses.set(host, pause);
  }

  async #reload(host: string): Promise<void> {
    const row = await this.#options.store.db
      .selectFrom('pauses')
      .selectAll()
      .where('host', '=', host)
      .executeTakeFirst();
    if (row === undefined) this.#pauses.delete(host);
    else {
      const { by, why, since_ms, until_ms } = row;
      this.#pauses.set(host, { by, why, since_ms, until_ms });
    }
    this.#options.wake([host]);
  }
}

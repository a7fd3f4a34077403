import type { Looks } from './looks.ts';
import type { Parts } from './parts.ts';
import type { Turns } from './turns.ts';

export interface CatchUpOptions extends Pick<Parts, 'store' | 'serving' | 'known' | 'followers' | 'waiting' | 'log'> {
  readonly turns: Turns;
  readonly looks: Pick<Looks, 'look'>;
}

/** Messages only shorten the delay: a controller that was killed between a change and its message has told nobody. */
const CATCH_UP_MS = 2_000;

/** Keeps up with what other controllers do to rollouts. */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #ends: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /** From here on messages are heard. */
  listen(): void {
    const { bus } = this.#options.store;
    this.#ends.push(
      bus.subscribe('rollout', (_text, sender) => (sender === 'self' ? undefined : this.#reload())),
      bus.onGap(() => this.#reload()),
    );
  }

  /** From here on it is looked at, too, what was changed without a word. */
  watch(): void {
    const { store, log } = this.#options;
    if (!store.shared || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#catchUp()
        .catch((error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          log.warn({ reason }, 'the rollouts cannot be read');
        })
        .finally(() => this.watch());
    }, CATCH_UP_MS);
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const end of this.#ends) end();
  }

  async #catchUp(): Promise<void> {
    const { turns, known, serving } = this.#options;
    if (!(await turns.take(() => known.isBehind()))) return;
    await serving.refresh();
    await this.#reload();
  }

  async #reload(): Promise<void> {
    const { turns, known, followers, waiting, looks } = this.#options;
    await turns.take(() => known.load());
    followers.tell();
    waiting.tell();
    looks.look();
  }
}

import type { Trigger } from '../metrics/catalog.ts';

export interface ReconcileLoopOptions {
  /** One run. What it throws is a bug or a failure of the run as a whole; the loop goes on. */
  readonly run: (trigger: Trigger) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/**
 * One run at a time. A request while a run is under way means one more run after it, however many requests there were:
 * what they announced may have happened after the run had looked.
 */
export class ReconcileLoop {
  readonly #options: ReconcileLoopOptions;
  #next: Trigger | undefined;
  #running: { readonly since_ms: number; readonly trigger: Trigger } | undefined;
  #ended: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: ReconcileLoopOptions) {
    this.#options = options;
  }

  get running(): { readonly since_ms: number; readonly trigger: Trigger } | undefined {
    return this.#running;
  }

  /** Resolves when a run that began after this call has ended, or the loop was stopped. Never rejects. */
  request(trigger: Trigger): Promise<void> {
    if (this.#stopped) return this.#ended;
    // The first reason is the one that is told.
    this.#next ??= trigger;
    if (this.#running === undefined) this.#ended = this.#drain();
    return this.#ended;
  }

  /** Lets the run under way end, and begins no other. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#next = undefined;
    await this.#ended;
  }

  async #drain(): Promise<void> {
    for (let trigger = this.#next; trigger !== undefined; trigger = this.#next) {
      this.#next = undefined;
      this.#running = { since_ms: Date.now(), trigger };
      try {
        await this.#options.run(trigger);
      } catch (error) {
        this.#options.onError(error);
      }
    }
    this.#running = undefined;
  }
}

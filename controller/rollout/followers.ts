import type { RolloutEvent } from '../git/ports.ts';
import { eventsOf, Told } from './events.ts';
import type { Known } from './known.ts';

/** Those who watch a revision on its way, as pushers do at their terminals. */
export class Followers {
  readonly #known: Known;
  readonly #listeners = new Set<() => void>();
  #closed = false;

  constructor(known: Known) {
    this.#known = known;
  }

  /** What happens to the hosts with a revision, from the beginning of its rollout on; ends after `ended`, or with the signal. */
  async *follow(revision: string, signal: AbortSignal): AsyncGenerator<RolloutEvent, void, undefined> {
    const told = new Told();
    while (!signal.aborted && !this.#closed) {
      // Listened for before it is read, so that no change falls between.
      const changed = this.#nextChange(signal);
      const view = await this.#known.newestOf(revision);
      if (view !== undefined) {
        for (const event of eventsOf(view, told, (host) => this.#known.offered_ms(host))) {
          yield event;
          if (event.type === 'ended') return;
        }
      }
      await changed;
    }
  }

  /** Something has changed: they look again. */
  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  close(): void {
    this.#closed = true;
    this.tell();
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#listeners.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#listeners.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

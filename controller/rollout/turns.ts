import type { Parts } from './parts.ts';
import { Conflict } from './rows.ts';

/** Conflicts are rare, and each means that somebody else went on. */
export const ATTEMPTS = 20;

/** One change at a time within this process; between processes the versions of the rows decide. */
export class Turns {
  #queue: Promise<unknown> = Promise.resolve();

  /** Runs the job after all that were asked for before it, whatever became of them. */
  take<T>(job: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(job, job);
    this.#queue = run.catch(() => undefined);
    return run;
  }

  /** Resolves when all that were asked for before this call are done. */
  async done(): Promise<void> {
    await this.#queue;
  }
}

/** Does it again, from what is true by then, when somebody else was faster. */
export async function again<T>(
  { known, serving }: Pick<Parts, 'known' | 'serving'>,
  job: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await job();
    } catch (error) {
      if (!(error instanceof Conflict) || attempt === ATTEMPTS) throw error;
      await known.load();
      await serving.refresh();
    }
  }
}

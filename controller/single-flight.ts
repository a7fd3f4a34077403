/**
 * Runs a job one at a time. Whoever asks while it runs shares one further run, which starts after it: so two pushes in one
 * second are seen, and a hundred requests make two runs.
 */
export class SingleFlight<T> {
  readonly #job: () => Promise<T>;
  #running: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(job: () => Promise<T>) {
    this.#job = job;
  }

  /** Resolves with a run that has started after this call. */
  run(): Promise<T> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<T> {
    this.#next = undefined;
    const run = this.#job().finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    this.#running = run;
    return run;
  }

  /** Resolves when nothing runs any more. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
  }
}

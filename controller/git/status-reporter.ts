import type { Log } from '../intake/intake.ts';
import { type CommitStatus, sendStatus, statusRequest } from './commit-status.ts';
import type { ForgeProject } from './forge.ts';

export interface ReporterOptions {
  readonly project: ForgeProject;
  readonly token: string;
  readonly log: Log;
  /** Before the second try; then twice as long each time. */
  readonly firstWait_ms?: number;
}

const TRIES = 4;
const FIRST_WAIT_MS = 2_000;

/** Tells a forge what became of a commit, in order, the newest of each commit; a forge that is away loses a remark and no more. */
export class StatusReporter {
  readonly #options: ReporterOptions;
  readonly #waiting = new Map<string, CommitStatus>();
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #last = '';

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  tell(status: CommitStatus): void {
    const key = JSON.stringify(status);
    if (key === this.#last || this.#closing.signal.aborted) return;
    this.#last = key;
    this.#waiting.delete(status.revision);
    this.#waiting.set(status.revision, status);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let next = this.#take(); next !== undefined; next = this.#take()) await this.#send(next);
  }

  #take(): CommitStatus | undefined {
    const [next] = this.#waiting.values();
    if (next !== undefined) this.#waiting.delete(next.revision);
    return this.#closing.signal.aborted ? undefined : next;
  }

  async #send(status: CommitStatus): Promise<void> {
    const { project, token, log } = this.#options;
    for (let tried = 1; ; tried += 1) {
      try {
        await sendStatus(statusRequest(project, token, status));
        return;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const last = tried === TRIES || this.#closing.signal.aborted || this.#waiting.has(status.revision);
        log.warn({ revision: status.revision, reason, tried, last }, 'the forge was not told the status of a commit');
        if (last) return;
        await pause((this.#options.firstWait_ms ?? FIRST_WAIT_MS) * 2 ** (tried - 1), this.#closing.signal);
      }
    }
  }
}

function pause(duration_ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, duration_ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

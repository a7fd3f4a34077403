import { createHash } from 'node:crypto';
import { nextMatch } from './cron-next.ts';

/**
 * The baseline of correctness: reconcile by a cron expression, each host with a delay of its own. The delay is hashed from
 * the host's name, so that it is the same after every restart and hosts that start together do not run together.
 */
export interface ScheduleOptions {
  readonly host: string;
  readonly run: () => void;
  readonly onError: (message: string) => void;
}

const FALLBACK = '*/5 * * * *';
/** Timers are never longer, so that a clock that jumps, or a machine that slept, is noticed. */
const LOOK_AT_CLOCK_MS = 30_000;

/** Milliseconds since the epoch of the next time after now. */
export type NextTime = () => number;

export class Schedule {
  readonly #options: ScheduleOptions;
  #timer: NodeJS.Timeout | undefined;
  #expression: string | undefined;
  #splay_ms = 0;
  #due_ms: number | undefined;
  #generation = 0;

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** When it runs next, in milliseconds since the epoch. */
  get next_ms(): number | undefined {
    return this.#due_ms;
  }

  /** Follows the manifest; nothing happens where nothing changed. */
  async set(expression: string, splay_ms: number): Promise<void> {
    if (expression === this.#expression && splay_ms === this.#splay_ms) return;
    this.#generation += 1;
    const generation = this.#generation;
    this.#expression = expression;
    this.#splay_ms = splay_ms;
    const nextTime = await this.#nextTimeOf(expression);
    // Another call overtook this one while node-cron was loaded.
    if (generation !== this.#generation) return;
    clearTimeout(this.#timer);
    this.#due_ms = undefined;
    this.#tick(nextTime, splayOf(this.#options.host, splay_ms));
  }

  stop(): void {
    this.#generation += 1;
    clearTimeout(this.#timer);
  }

  #tick(nextTime: NextTime, delay_ms: number): void {
    const now = Date.now();
    const next_ms = nextTime() + delay_ms;
    if (this.#due_ms !== undefined && now >= this.#due_ms) {
      this.#due_ms = next_ms;
      this.#options.run();
    } else {
      // The earlier of the two: after a clock was set back the old time would be far away.
      this.#due_ms = Math.min(this.#due_ms ?? Number.POSITIVE_INFINITY, next_ms);
    }
    const wait_ms = Math.min(Math.max(this.#due_ms - now, 1), LOOK_AT_CLOCK_MS);
    this.#timer = setTimeout(() => this.#tick(nextTime, delay_ms), wait_ms);
  }

  async #nextTimeOf(expression: string): Promise<NextTime> {
    const { createTask, parse, validate } = await import('node-cron');
    const valid = validate(expression);
    if (!valid) this.#options.onError(`the schedule "${expression}" is no cron expression; running by "${FALLBACK}"`);
    const used = valid ? expression : FALLBACK;
    const fields = parse(used);
    return () => {
      const next = nextMatch(fields, new Date()) ?? createTask(used, () => {}).getNextRuns(1)[0];
      if (next === undefined) throw new Error(`node-cron finds no next time for "${used}"`);
      return next.getTime();
    };
  }
}

/** From 0 up to `splay_ms`, always the same for a name. */
export function splayOf(host: string, splay_ms: number): number {
  const fraction = createHash('sha256').update(host).digest().readUInt32BE(0) / 2 ** 32;
  return Math.floor(fraction * splay_ms);
}

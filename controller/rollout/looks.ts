import { factOf, type HostFact } from './facts.ts';
import { keepUp } from './keep-up.ts';
import { isOver, type Rollout } from './model.ts';
import type { Parts } from './parts.ts';
import { type Step, step } from './step.ts';
import { takeStep } from './take-step.ts';
import type { Turns } from './turns.ts';

export interface LooksOptions extends Omit<Parts, 'changed'> {
  readonly turns: Turns;
}

/** What could not be written down, as when the database is away, is tried again after this. */
const RETRY_MS = 2_000;
const MOST_WAIT_MS = 60_000;
/** A look at thousands of hosts takes long, and each report asks for one: this much of the time is left to others. */
const LOOK_REST = 30;
const MOST_LOOK_REST_MS = 5_000;

/** The looks that bring the newest rollout forward: after each report, when a step is due by the clock, and when asked. */
export class Looks {
  readonly #options: LooksOptions;
  /** Since when hosts could have been heard. */
  #listening_ms = 0;
  #timer: NodeJS.Timeout | undefined;
  #asked = false;
  #restUntil_ms = 0;
  #restTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: LooksOptions) {
    this.#options = options;
  }

  open(): void {
    this.#listening_ms = this.#options.now_ms();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#restTimer);
  }

  /** Looks whether a step is due; many calls at once are one look. */
  look(): void {
    if (this.#asked || this.#closed) return;
    this.#asked = true;
    const rest_ms = this.#restUntil_ms - performance.now();
    if (rest_ms <= 0) this.#lookNow();
    else this.#restTimer = setTimeout(() => this.#lookNow(), rest_ms).unref();
  }

  /** A look that was put off does not wait any longer. */
  hurry(): void {
    if (this.#restTimer !== undefined) this.#lookNow();
  }

  /** Reads the rollout again, takes the steps that are due, and tells everybody; within a turn. */
  async changed(): Promise<void> {
    await this.#options.known.load();
    await this.#advance();
    await this.#tellAll();
  }

  #lookNow(): void {
    const { turns, log } = this.#options;
    clearTimeout(this.#restTimer);
    this.#restTimer = undefined;
    const looked = turns.take(async () => {
      this.#asked = false;
      if (await this.#advance()) await this.#tellAll();
    });
    looked.catch((error: unknown) => {
      this.#asked = false;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ reason }, 'the rollout cannot go on now; it is tried again');
      this.#wake(RETRY_MS);
    });
  }

  /** Takes steps until none is due, or until hosts have to answer first. Tells whether there was one. */
  async #advance(): Promise<boolean> {
    for (let taken = false; ; ) {
      const { current } = this.#options.known;
      if (current === undefined || isOver(current.rollout.state) || this.#closed) return taken;
      await keepUp(this.#options);
      const now_ms = this.#options.now_ms();
      const began_ms = performance.now();
      const next = step({
        rollout: current.rollout,
        hosts: [...current.hosts.values()],
        facts: (host) => this.#factOf(host),
        now_ms,
        listening_ms: this.#listening_ms,
      });
      const ended_ms = performance.now();
      this.#restUntil_ms = ended_ms + Math.min((ended_ms - began_ms) * LOOK_REST, MOST_LOOK_REST_MS);
      if (next.hosts.length === 0 && isOnlyTold(next, current.rollout)) {
        this.#wake((next.nextLook_ms ?? now_ms + MOST_WAIT_MS) - now_ms);
        return taken;
      }
      if (!(await takeStep(this.#options, { current, next, now_ms }))) continue;
      taken = true;
      // While hundreds of hosts report in a second, each look would find some more: those are written down together.
      if (isOnlyTold(next, current.rollout)) {
        this.look();
        return true;
      }
    }
  }

  #factOf(host: string): HostFact {
    const { records, serving, known } = this.#options;
    const given = serving.get(host);
    const row = known.current?.hosts.get(host);
    if (given === undefined && row !== undefined && row.state !== 'waiting') return { gone: true };
    return factOf(records.get(host), given);
  }

  #wake(after_ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.look(), Math.min(Math.max(after_ms, 1), MOST_WAIT_MS));
    this.#timer.unref();
  }

  async #tellAll(): Promise<void> {
    const { store, known, followers } = this.#options;
    await store.bus.publish('rollout', String(known.current?.rollout.id ?? 0));
    followers.tell();
  }
}

/** Whether a step gives nothing to anybody, and leaves the rollout as it is. */
function isOnlyTold(next: Step, { state, why }: Rollout): boolean {
  return next.state === state && next.why === why && next.hosts.every((host) => host.state !== 'offered');
}

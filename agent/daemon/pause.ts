import * as v from 'valibot';
import type { PauseState } from '../../desired-state/schema/report.ts';
import type { StateFiles } from './state-files.ts';

export type { PauseState };

const NAME = 'pause.json';
/** A pause is for a maintenance window; who forgets it must not switch the agent off for good. */
export const MAX_PAUSE_MS = 7 * 24 * 3_600_000;
const MIN_PAUSE_MS = 1_000;
const MAX_WHY_CHARACTERS = 500;

export const pauseRequestSchema = v.strictObject({
  for_ms: v.pipe(
    v.number('expected a duration'),
    v.minValue(MIN_PAUSE_MS, 'a pause lasts at least 1s'),
    v.maxValue(MAX_PAUSE_MS, 'a pause lasts at most 7d: pause again when that is over'),
  ),
  why: v.pipe(
    v.string('expected a reason'),
    v.trim(),
    v.nonEmpty('a pause needs a reason, for those who find the host paused'),
    v.maxLength(MAX_WHY_CHARACTERS, `a reason has at most ${MAX_WHY_CHARACTERS} characters`),
  ),
  by: v.pipe(v.string(), v.nonEmpty(), v.maxLength(100)),
});
export type PauseRequest = v.InferOutput<typeof pauseRequestSchema>;

const stateEntries = { by: v.string(), why: v.string(), since_ms: v.number(), until_ms: v.number() };
/** A pause as the controller orders it. */
export const pauseOrderSchema = v.object(stateEntries);
const storedSchema = v.object({
  ...stateEntries,
  /** It came through the controller, which also ends it. */
  ordered: v.optional(v.boolean()),
  /** Ended on this host, against the controller's order: that order counts no more. */
  dismissed: v.optional(v.boolean()),
});
type Stored = v.InferOutput<typeof storedSchema>;

export interface PauseOptions {
  readonly files: StateFiles;
  readonly onBegun: (pause: PauseState) => void;
  /** `how`: by whom or what, as in "ended by itself". */
  readonly onEnded: (pause: PauseState, how: string) => void;
}

/** Timers are never longer, so that a pause ends in time though the clock was set. */
const LOOK_AT_CLOCK_MS = 30_000;

/** Whether somebody has paused the agent. Kept on disk, so that a restart does not end it; expires by itself. */
export class Pause {
  readonly #options: PauseOptions;
  #current: Stored | undefined;
  /** `since_ms` of an order that was ended here. */
  #dismissed: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PauseOptions) {
    this.#options = options;
  }

  get current(): PauseState | undefined {
    return this.#current === undefined || isOver(this.#current) ? undefined : stateOf(this.#current);
  }

  /** Takes up what an earlier process left. A damaged file counts as no pause, and is put aside. */
  async restore(): Promise<string | undefined> {
    const text = await this.#options.files.read(NAME);
    if (text === undefined) return undefined;
    const stored = v.safeParse(storedSchema, parseJson(text));
    if (!stored.success)
      return `the file of a pause was damaged and put aside as ${await this.#options.files.putAside(NAME)}`;
    if (isOver(stored.output)) await this.#options.files.remove(NAME);
    else if (stored.output.dismissed === true) this.#dismissed = stored.output.since_ms;
    else this.#begin(stored.output);
    return undefined;
  }

  async set({ for_ms, why, by }: PauseRequest): Promise<PauseState> {
    const since_ms = Date.now();
    const pause = { by, why, since_ms, until_ms: since_ms + for_ms };
    await this.#options.files.write(NAME, `${JSON.stringify(pause)}\n`);
    this.#begin(pause);
    this.#options.onBegun(pause);
    return pause;
  }

  /** Resolves with the pause that ended; `undefined` where there was none. */
  async end(by: string): Promise<PauseState | undefined> {
    const ended = this.current;
    if (ended !== undefined && this.#current?.ordered === true) {
      this.#dismissed = ended.since_ms;
      await this.#options.files.write(NAME, `${JSON.stringify({ ...ended, ordered: true, dismissed: true })}\n`);
    } else await this.#options.files.remove(NAME);
    clearTimeout(this.#timer);
    this.#current = undefined;
    if (ended !== undefined) this.#options.onEnded(ended, `by ${by}`);
    return ended;
  }

  /**
   * What the controller orders, told with every answer of it: a pause, or that there is none, which ends one that it had
   * ordered and no other. One that was ended on the host is not taken up again.
   */
  async follow(order: PauseState | undefined): Promise<void> {
    if (order === undefined) {
      const ended = this.current;
      if (ended === undefined || this.#current?.ordered !== true) return;
      clearTimeout(this.#timer);
      this.#current = undefined;
      await this.#options.files.remove(NAME);
      this.#options.onEnded(ended, 'through the controller');
      return;
    }
    if (isOver(order) || order.since_ms === this.#dismissed) return;
    const { current } = this;
    if (current !== undefined && isSame(current, order)) return;
    await this.#options.files.write(NAME, `${JSON.stringify({ ...order, ordered: true })}\n`);
    this.#begin({ ...order, ordered: true });
    this.#options.onBegun(order);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #begin(pause: Stored): void {
    this.#current = pause;
    clearTimeout(this.#timer);
    const wait_ms = Math.min(Math.max(pause.until_ms - Date.now(), 1), LOOK_AT_CLOCK_MS);
    this.#timer = setTimeout(() => this.#look(pause), wait_ms);
  }

  #look(pause: Stored): void {
    if (!isOver(pause)) {
      this.#begin(pause);
      return;
    }
    this.#current = undefined;
    // The file says itself that it is over: that it cannot be removed costs nothing.
    this.#options.files.remove(NAME).catch(() => {});
    this.#options.onEnded(stateOf(pause), 'by itself');
  }
}

function stateOf({ by, why, since_ms, until_ms }: Stored): PauseState {
  return { by, why, since_ms, until_ms };
}

function isSame(one: PauseState, other: PauseState): boolean {
  return one.since_ms === other.since_ms && one.until_ms === other.until_ms && one.by === other.by;
}

/** Also where the clock was set back so far that it would last longer than a pause may. */
function isOver({ since_ms, until_ms }: PauseState): boolean {
  const now = Date.now();
  return now >= until_ms || now < since_ms - MAX_PAUSE_MS;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

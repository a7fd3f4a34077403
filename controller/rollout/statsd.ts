import type { StatsD } from 'hot-shots';
import type { RolloutState } from '../store/tables.ts';
import { isOver, type Rollout } from './model.ts';

const FLUSH_MS = 1000;
const REPEAT_MS = 60_000;
const CLOSE_BOUND_MS = 2000;
const STATES = [
  'running',
  'frozen',
  'paused',
  'done',
  'aborted',
  'superseded',
] as const satisfies readonly RolloutState[];
const ALERTS = { paused: 'error', aborted: 'warning', frozen: 'info', done: 'success' } as const;

/**
 * Tells a DogStatsD server of rollouts, from where the controller runs: the gauge `holdfast.rollout.state` with the tag
 * `state`, 1 for the state that it is in, and an event where it pauses, is aborted, is held by a freeze, or is done.
 */
export class RolloutStatsd {
  readonly #client: StatsD;
  #state: RolloutState | undefined;
  readonly #timer: NodeJS.Timeout;

  private constructor(client: StatsD) {
    this.#client = client;
    this.#timer = setInterval(() => this.#gauge(), REPEAT_MS);
    this.#timer.unref();
  }

  static async open(options: {
    readonly host: string;
    readonly port: number;
    readonly onError: (error: Error) => void;
  }): Promise<RolloutStatsd> {
    const { StatsD: Client } = await import('hot-shots');
    const { host, port, onError } = options;
    const bounds = { includeDataDogTags: false, bufferFlushInterval: FLUSH_MS, maxBufferSize: 1432 };
    return new RolloutStatsd(new Client({ host, port, prefix: '', errorHandler: onError, ...bounds }));
  }

  tell({ id, revision, state, why }: Rollout): void {
    this.#state = state;
    this.#gauge();
    if (!(state in ALERTS)) return;
    const alert = ALERTS[state as keyof typeof ALERTS];
    const title = `rollout ${id} of ${revision.slice(0, 12)} is ${state}`;
    const options = { alert_type: alert, source_type_name: 'holdfast', aggregation_key: `holdfast.rollout.${id}` };
    // hot-shots announces lengths in characters where the protocol wants bytes: only ASCII is right in both.
    const text = (why ?? 'no more is known').replaceAll(/[^\n -~]/g, '?').slice(0, 1000);
    this.#client.event(title, text, options, { holdfast_event: `rollout.${state}` });
  }

  /** Sends what is buffered. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_BOUND_MS);
    this.#client.close(() => resolve());
    await promise;
    clearTimeout(timer);
  }

  #gauge(): void {
    const now = this.#state;
    if (now === undefined) return;
    for (const state of STATES) this.#client.gauge('holdfast.rollout.state', state === now ? 1 : 0, { state });
    // Told once: what is over does not change any more.
    if (isOver(now)) this.#state = undefined;
  }
}

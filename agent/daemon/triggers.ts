import type { AgentSettings } from '../../desired-state/schema/manifest.ts';
import type { Engine } from '../engine/engine.ts';
import type { Trigger } from '../metrics/catalog.ts';
import type { Log } from './log.ts';
import type { Problems } from './problems.ts';
import { ReconcileLoop } from './reconcile-loop.ts';
import { Schedule } from './schedule.ts';
import { Watches } from './watches.ts';

export interface TriggersOptions {
  readonly host: string;
  readonly run: (trigger: Trigger) => Promise<void>;
  readonly log: Pick<Log, 'error'>;
  readonly problems: Problems;
}

/** No resource takes this long without a sign of life: each process that a port starts has a shorter bound. */
const STUCK_MS = 3_600_000;
const OVERDUE_MS = 5 * 60_000;

/** Decides when to run: by the schedule, when a watched path changes, when a retry is due, and when somebody asks. */
export class Triggers {
  readonly #loop: ReconcileLoop;
  readonly #schedule: Schedule;
  readonly #watches: Watches;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor({ host, run, log, problems }: TriggersOptions) {
    this.#loop = new ReconcileLoop({
      run: (trigger) => {
        clearTimeout(this.#retryTimer);
        return run(trigger);
      },
      onError: (error) => log.error(`a mistake of the agent's own: ${stackOf(error)}`),
    });
    this.#schedule = new Schedule({
      host,
      run: () => void this.#loop.request('schedule'),
      onError: (message) => problems.tell('schedule', message),
    });
    this.#watches = new Watches({
      trigger: () => void this.#loop.request('watch'),
      onProblem: (message) => problems.tell('watches', message),
    });
  }

  get running(): ReconcileLoop['running'] {
    return this.#loop.running;
  }

  /** When the schedule is due; `undefined` before there is a manifest. */
  get next_ms(): number | undefined {
    return this.#schedule.next_ms;
  }

  /** Resolves when a run that began after the call has ended. */
  request(trigger: Trigger): Promise<void> {
    return this.#loop.request(trigger);
  }

  async follow({ schedule, splay_ms }: AgentSettings, watches: ReturnType<Engine['watches']>): Promise<void> {
    this.#watches.set(watches);
    await this.#schedule.set(schedule, splay_ms);
  }

  /** After a run: paths may be there by now that could not be watched before it. */
  refreshWatches(): void {
    this.#watches.refresh();
  }

  /** One retry waits at a time, and any run takes its place. */
  retryIn(wait_ms: number): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => void this.#loop.request('retry'), wait_ms);
  }

  /** What is wrong with the loop; empty when it is healthy. `sign`: the last that the run under way has shown. */
  ailments(sign: { readonly at_ms: number; readonly doing: string | undefined }): readonly string[] {
    const now = Date.now();
    const { running } = this.#loop;
    const due_ms = this.#schedule.next_ms;
    if (running !== undefined && now - Math.max(sign.at_ms, running.since_ms) > STUCK_MS) {
      return [`the run under way shows no sign of life for an hour (${sign.doing ?? 'looking'})`];
    }
    if (running === undefined && due_ms !== undefined && now - due_ms > OVERDUE_MS) return ['the schedule is overdue'];
    return [];
  }

  /** Begins no other run, and lets the one under way end. */
  async stop(): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#schedule.stop();
    this.#watches.close();
    await this.#loop.stop();
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

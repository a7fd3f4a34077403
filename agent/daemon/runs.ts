import type { Engine } from '../engine/engine.ts';
import { type RunResult, refText } from '../engine/types.ts';
import type { Trigger } from '../metrics/catalog.ts';
import type { Meter } from '../metrics/meter.ts';
import type { Log } from './log.ts';
import { forgetAbsent, RunEffects } from './run-effects.ts';
import {
  type AgentStatus,
  countStatuses,
  type LastChange,
  type LastRun,
  type ResourceView,
  resourceView,
  triedChange,
  type Verdict,
  verdictOf,
} from './status.ts';

export interface RunsOptions {
  readonly engine: Pick<Engine, 'reconcile'>;
  readonly log: Log;
  readonly meter: Meter;
}

/** Does one run after the other, says what each did, and remembers what the status shows of them. */
export class Runs {
  readonly #engine: RunsOptions['engine'];
  readonly #effects: RunEffects;
  readonly #lastChanges = new Map<string, LastChange>();
  #result: RunResult | undefined;
  #last: LastRun | undefined;
  #error: AgentStatus['run']['error'];
  #doing: string | undefined;
  #progress_ms = 0;

  constructor({ engine, log, meter }: RunsOptions) {
    this.#engine = engine;
    this.#effects = new RunEffects({ log, meter });
  }

  get last(): LastRun | undefined {
    return this.#last;
  }

  /** Why the last run could not be done at all. */
  get error(): AgentStatus['run']['error'] {
    return this.#error;
  }

  /** When the run under way last did something, and what. */
  get sign(): { readonly at_ms: number; readonly doing: string | undefined } {
    return { at_ms: this.#progress_ms, doing: this.#doing };
  }

  get verdict(): Verdict {
    return this.#error === undefined ? verdictOf(this.#result) : 'failing';
  }

  resources(): readonly ResourceView[] {
    const { resources = [] } = this.#result ?? {};
    return resources.map((result) => resourceView(result, this.#lastChanges.get(refText(result))));
  }

  /** Resolves to `undefined` where it could not be done at all, such as when `run --once` keeps the lock. */
  async run(trigger: Trigger, { dryRun }: { readonly dryRun: boolean }): Promise<RunResult | undefined> {
    this.#progress_ms = Date.now();
    let run: RunResult;
    try {
      run = await this.#engine.reconcile({
        dryRun,
        onChange: (ref, summary) => {
          this.#progress_ms = Date.now();
          this.#doing = `${refText(ref)}: ${summary}`;
        },
        onResource: () => {
          this.#progress_ms = Date.now();
        },
      });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.#error?.message !== message) this.#effects.failed(message, trigger);
      this.#error = { at_ms: Date.now(), message };
      return undefined;
    } finally {
      this.#doing = undefined;
    }
    this.#error = undefined;
    this.#remember(run, trigger);
    this.#effects.ended(run, trigger);
    return run;
  }

  #remember(run: RunResult, trigger: Trigger): void {
    this.#result = run;
    const { revision, started_ms, duration_ms, dryRun } = run;
    this.#last = { trigger, revision, started_ms, duration_ms, dryRun, counts: countStatuses(run) };
    for (const result of run.resources) {
      const change = triedChange(result, run);
      if (change !== undefined) this.#lastChanges.set(refText(result), change);
    }
    forgetAbsent(this.#lastChanges, run);
  }
}

import type { ResourceResult, RunResult } from '../engine/types.ts';
import { refText } from '../engine/types.ts';
import type { Trigger } from '../metrics/catalog.ts';
import type { Meter } from '../metrics/meter.ts';
import type { Log } from './log.ts';
import { verdictOf } from './status.ts';

/** What one run says to the journal and to the metrics: a line per change or new trouble, nothing for a run without any. */
export class RunEffects {
  readonly #log: Log;
  readonly #meter: Meter;
  /** By `kind/name`: the trouble that was told last, so that it is told once and not at every run. */
  readonly #told = new Map<string, string>();
  /** Series of `resources` that were not zero: they are set to zero once when they become so. */
  #series = new Set<string>();

  constructor(parts: { readonly log: Log; readonly meter: Meter }) {
    this.#log = parts.log;
    this.#meter = parts.meter;
  }

  ended(run: RunResult, trigger: Trigger): void {
    for (const result of run.resources) this.#resource(result);
    forgetAbsent(this.#told, run);
    this.#measure(run, trigger);
  }

  failed(message: string, trigger: Trigger): void {
    this.#meter.count('reconcile.runs', 1, { trigger, outcome: 'error' });
    this.#log.error(`the run failed: ${message}`);
  }

  #resource(result: ResourceResult): void {
    const { kind, status, changes, cause, error } = result;
    if (status === 'converged' && this.#told.size === 0) return;
    const name = refText(result);
    const applied = changes.filter(({ outcome }) => outcome === 'applied');
    const news = this.#isNews(name, result);
    if (cause === 'corrective' && (news || applied.length > 0)) this.#drift(result);
    for (const { summary } of applied)
      this.#log.notice(`${name}: ${summary}${cause === 'corrective' ? ' (drift)' : ''}`);
    if (applied.length > 0 && cause !== undefined) this.#meter.count('repairs', applied.length, { kind, cause });
    if (status === 'failed' || status === 'stalled') {
      if (status === 'failed') this.#meter.count('failures', 1, { kind });
      if (news) {
        this.#log.error(`${name} ${status}: ${error ?? ''}`);
        this.#meter.event('resource.failed', { title: `${name} ${status}`, text: error ?? '' }, { kind });
      }
    } else if (news && status === 'drifted') {
      this.#log.warning(`${name} differs: ${summaries(result)}`);
    } else if (news && status === 'blocked' && result.blockedBy !== undefined) {
      this.#log.warning(`${name} is blocked by ${refText(result.blockedBy)}`);
    } else if (status === 'changed') {
      if (cause === 'corrective') {
        this.#meter.event('drift.repaired', { title: `${name} repaired`, text: summaries(result) }, { kind });
      }
      if (kind === 'releases') {
        this.#meter.event('release.deployed', { title: `${name} deployed`, text: summaries(result) }, {});
      }
    }
  }

  #drift(result: ResourceResult): void {
    const { kind } = result;
    this.#meter.count('drift.found', 1, { kind });
    this.#meter.event('drift.found', { title: `${refText(result)} differs`, text: summaries(result) }, { kind });
  }

  /** Remembers trouble by what it says; a retry that fails the same way is no news. */
  #isNews(name: string, result: ResourceResult): boolean {
    const { status, error } = result;
    if (status === 'converged' || status === 'changed') {
      this.#told.delete(name);
      return false;
    }
    // A wait for the next try belongs to the failure that was told.
    if (status === 'waiting' && this.#told.has(name)) return false;
    const trouble = `${status} ${summaries(result)} ${error ?? ''}`;
    if (this.#told.get(name) === trouble) return false;
    this.#told.set(name, trouble);
    return true;
  }

  #measure(run: RunResult, trigger: Trigger): void {
    const changed = run.resources.some(({ changes }) => changes.some(({ outcome }) => outcome === 'applied'));
    const outcome = verdictOf(run) === 'converged' ? (changed ? 'changed' : 'converged') : 'differs';
    this.#meter.count('reconcile.runs', 1, { trigger, outcome });
    this.#meter.histogram('reconcile.duration', run.duration_ms, { outcome });
    const counts = new Map<string, { kind: string; status: ResourceResult['status']; amount: number }>();
    for (const { kind, status } of run.resources) {
      const key = `${kind} ${status}`;
      const entry = counts.get(key) ?? { kind, status, amount: 0 };
      entry.amount += 1;
      counts.set(key, entry);
    }
    for (const key of this.#series) {
      if (counts.has(key)) continue;
      const [kind = '', status = ''] = key.split(' ');
      counts.set(key, { kind, status: status as ResourceResult['status'], amount: 0 });
    }
    for (const { kind, status, amount } of counts.values()) this.#meter.gauge('resources', amount, { kind, status });
    this.#series = new Set([...counts].filter(([, { amount }]) => amount > 0).map(([key]) => key));
  }
}

/** Of what is kept by `kind/name`, drops what the manifest does not have any more. */
export function forgetAbsent(kept: Map<string, unknown>, { resources }: RunResult): void {
  if (kept.size === 0) return;
  const present = new Set(resources.map(refText));
  for (const name of kept.keys()) if (!present.has(name)) kept.delete(name);
}

function summaries({ changes }: ResourceResult): string {
  return changes.map(({ summary }) => summary).join('; ');
}

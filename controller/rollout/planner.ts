import type { Preview } from '../../desired-state/schema/preview.ts';
import type { Compilation, CompiledHost } from '../compile/compile.ts';
import type { HostPlan, Planner, PlanOptions } from '../git/ports.ts';
import { unpack } from '../packing.ts';
import type { Serving } from '../serving.ts';
import type { HostRecords } from '../store/host-records.ts';
import { compareManifests } from './compare.ts';
import type { Previews } from './previews.ts';
import { SILENT_MS } from './step.ts';

export interface HostPlannerOptions {
  readonly serving: Serving;
  readonly records: Pick<HostRecords, 'get'>;
  readonly previews: Pick<Previews, 'ask'>;
  readonly now_ms: () => number;
}

/** Hosts that are asked, spread over the fleet: what a change does shows on some of a kind. */
const MOST_ASKED = 64;
/** Of more hosts than this not even the manifests are compared. */
const MOST_COMPARED = 500;
/** Time to compare, and to tell the answers, within the bound. */
const RESERVE_MS = 200;

/** What a compilation would do to each host: by asking them, or else by comparing manifests. */
export class HostPlanner implements Planner {
  readonly #options: HostPlannerOptions;

  constructor(options: HostPlannerOptions) {
    this.#options = options;
  }

  async plan(compilation: Compilation, { bound_ms, signal }: PlanOptions): Promise<readonly HostPlan[]> {
    const { serving, previews } = this.#options;
    const changed = [...compilation.hosts.values()].filter(({ host, etag }) => serving.get(host)?.etag !== etag);
    const asked = this.#choose(changed);
    const texts = new Map(asked.map(({ host, packed }) => [host, unpack(packed)]));
    const answers = await previews.ask(texts, { bound_ms: Math.max(bound_ms - RESERVE_MS, 0), signal });
    const plans = new Map<string, HostPlan>();
    for (const { host } of compilation.hosts.values()) plans.set(host, { host, source: 'manifests', changes: [] });
    for (const { host, reasons } of compilation.pending.values()) {
      plans.set(host, { host, source: 'manifests', changes: [], note: reasons.join('; ') });
    }
    for (const host of serving.hosts().keys()) {
      if (!plans.has(host)) plans.set(host, { host, source: 'manifests', changes: [], note: GONE });
    }
    for (const [index, compiled] of changed.entries()) {
      const answer = answers.get(compiled.host);
      const plan = answer === undefined ? await this.#compare(compiled, texts, index) : planOf(answer);
      plans.set(compiled.host, plan);
    }
    return [...plans.values()].sort((a, b) => (a.host < b.host ? -1 : 1));
  }

  /** Hosts whose agents are there; of many, every n-th. */
  #choose(changed: readonly CompiledHost[]): readonly CompiledHost[] {
    const { records, now_ms } = this.#options;
    const alive = changed.filter(({ host }) => now_ms() - (records.get(host)?.lastSeen_ms ?? 0) <= SILENT_MS);
    const stride = Math.max(1, Math.ceil(alive.length / MOST_ASKED));
    return alive.filter((_, index) => index % stride === 0);
  }

  async #compare(compiled: CompiledHost, asked: ReadonlyMap<string, string>, index: number): Promise<HostPlan> {
    const { serving } = this.#options;
    const { host } = compiled;
    if (index >= MOST_COMPARED) return { host, source: 'manifests', changes: [], note: 'one of too many to look at' };
    const served = serving.get(host);
    const changes = compareManifests(served && (await serving.text(served)), unpack(compiled.packed));
    const why = asked.has(host)
      ? 'it did not answer in time'
      : served === undefined
        ? 'it has no manifest yet'
        : 'it was not asked';
    return { host, source: 'manifests', changes, note: `from comparing manifests: ${why}` };
  }
}

const GONE = 'it is no host any more: it goes on with what it has, and gets nothing new';

function planOf({ host, changes, problems, more }: Preview): HostPlan {
  const notes = [...problems, ...(more > 0 ? [`and ${more} more changes`] : [])];
  const planned = changes.map(({ diff, ...rest }) => ({ ...rest, ...(diff === undefined ? {} : { diff }) }));
  return { host, source: 'agent', changes: planned, ...(notes.length === 0 ? {} : { note: notes.join('; ') }) };
}

import { isDeepStrictEqual } from 'node:util';
import { toWire } from '../../desired-state/schema/secret.ts';
import type { Host, HostReader, ResourceRef, WatchHint } from '../resource.ts';
import { OrderError } from './errors.ts';
import { type Loaded, loadManifest, type Node } from './node.ts';
import { BLANK, CONVERGED, type Memory, onNewRevision, type RetryPolicy } from './retry.ts';
import { dryRun, enforce, type RunContext, type TakeLock } from './run.ts';
import { type EngineManifest, type Registry, type ResourceResult, type RunResult, refText } from './types.ts';

export interface EngineOptions {
  readonly registry: Registry;
  readonly reader: HostReader;
  /** Asked for only when something is to be repaired: a dry run never gets a host that it can change. */
  readonly writer: () => Host;
  readonly takeLock: TakeLock;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
  /** From 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

export interface ReconcileOptions {
  /** Look and change nothing, whatever the mode is. */
  readonly dryRun?: boolean;
  /** Only these, and nothing that they require. Throws `OrderError` where the manifest has no such resource. */
  readonly only?: readonly ResourceRef[];
  /** Told of each change that is about to be applied. */
  readonly onChange?: (ref: ResourceRef, summary: string) => void;
  /** Told of each resource as soon as it is settled. */
  readonly onResource?: (result: ResourceResult) => void;
}

/** What outlives the process, so that the next one can tell drift from a new declaration. Plain data. */
export interface Recollection {
  readonly revision: string;
  /** `kind/name` of every resource that has been converged under this revision, in the order of the manifest. */
  readonly converged: readonly string[];
}

export interface Engine {
  /**
   * Takes a manifest; what was learned of the one before stays where it still holds. Throws `OrderError` and then keeps
   * the old one; throws also while a reconcile that repairs is under way.
   */
  load(manifest: EngineManifest, recollection?: Recollection): void;
  /** Rejects when nothing is loaded, when a reconcile that repairs is under way already, and with what `takeLock` rejects with. */
  reconcile(options?: ReconcileOptions): Promise<RunResult>;
  /** The same object for as long as it says the same. */
  recollection(): Recollection;
  /** When the next retry is due, in milliseconds since the epoch; `undefined` where nothing waits. */
  nextRetry_ms(): number | undefined;
  /** What to watch so that drift is seen early. */
  watches(): readonly WatchHint[];
}

/** The reconcile loop's body. It knows no kind by name, starts no timer, and remembers only what retries and reports need. */
export function createEngine(options: EngineOptions): Engine {
  const { registry, reader, writer, takeLock, now = Date.now, random = Math.random } = options;
  let loaded: Loaded | undefined;
  let memories: Memory[] = [];
  let enforcing = false;
  let recalled: Recalled | undefined;

  const current = (): Loaded => {
    if (loaded === undefined) throw new Error('no manifest is loaded');
    return loaded;
  };

  return {
    load(manifest, recollection) {
      if (enforcing) throw new Error('a reconcile is under way: load the manifest after it');
      const next = loadManifest(manifest, registry);
      memories = carriedOver(loaded, memories, next, recollection);
      loaded = next;
    },

    async reconcile({ dryRun: dry = false, only, onChange = () => {}, onResource = () => {} } = {}) {
      const run = current();
      if (!dry && enforcing) throw new Error('a reconcile is under way already');
      const started_ms = now();
      const begun = performance.now();
      const nodes = only === undefined ? run.nodes : pick(run.nodes, only);
      const policy = policyOf(run.manifest);
      const context: RunContext = { loaded: run, nodes, reader, memories, policy, now, random, onChange, onResource };
      let resources: readonly ResourceResult[];
      if (dry) {
        resources = await dryRun(context);
      } else {
        enforcing = true;
        try {
          resources = await enforce(context, writer, takeLock);
        } finally {
          enforcing = false;
        }
      }
      const { host, revision, sequence } = run.manifest;
      const duration_ms = performance.now() - begun;
      return Object.freeze({
        host,
        revision,
        ...(sequence === undefined ? {} : { sequence }),
        dryRun: dry,
        started_ms,
        duration_ms,
        resources,
      });
    },

    recollection() {
      const { manifest, nodes } = current();
      const isSame = (known: Recalled): boolean =>
        known.manifest === manifest &&
        nodes.every(({ position }) => known.converged[position] === memories[position]?.converged);
      if (recalled !== undefined && isSame(recalled)) return recalled.recollection;
      const names = nodes.filter((node) => memories[node.position]?.converged === true).map(refText);
      const recollection = { revision: manifest.revision, converged: names };
      recalled = { manifest, converged: memories.map(({ converged }) => converged), recollection };
      return recollection;
    },

    nextRetry_ms() {
      const due = memories.filter((memory) => memory.retryAt_ms > 0).map((memory) => memory.retryAt_ms);
      return due.length === 0 ? undefined : Math.min(...due);
    },

    watches: () => current().nodes.flatMap((node) => node.watch),
  };
}

/** The recollection that was given last, and what it was made of. */
interface Recalled {
  readonly manifest: EngineManifest;
  /** By position. */
  readonly converged: readonly boolean[];
  readonly recollection: Recollection;
}

function policyOf({ agent }: EngineManifest): RetryPolicy {
  return { first_ms: agent.retryFirst_ms, max_ms: agent.retryMax_ms };
}

function pick(nodes: readonly Node[], only: readonly ResourceRef[]): readonly Node[] {
  const wanted = new Set(only.map(refText));
  const picked = nodes.filter((node) => wanted.delete(refText(node)));
  const [unknown] = wanted;
  if (unknown !== undefined) throw new OrderError(`the manifest has no resource ${unknown}`);
  return picked;
}

/** By position in the new manifest. */
function carriedOver(
  before: Loaded | undefined,
  memories: readonly Memory[],
  next: Loaded,
  recollection: Recollection | undefined,
): Memory[] {
  if (before === undefined) {
    const known = recollection?.revision === next.manifest.revision ? recollection.converged : [];
    const converged = new Set(known);
    return next.nodes.map((node) => (converged.has(refText(node)) ? CONVERGED : BLANK));
  }
  const old = new Map(before.nodes.map((node) => [refText(node), node]));
  return next.nodes.map((node) => {
    const same = old.get(refText(node));
    const memory = same === undefined ? undefined : memories[same.position];
    if (same === undefined || memory === undefined) return BLANK;
    if (next.manifest.revision === before.manifest.revision) return memory;
    return onNewRevision(memory, isDeepStrictEqual(toWire(same.spec), toWire(node.spec)));
  });
}

import { type Host, type HostReader, type PlannedChange, type ResourceRef, Stalled } from '../resource.ts';
import { errorText, NotConverged } from './errors.ts';
import { type Look, lookAt, survey } from './look.ts';
import type { Loaded, Node } from './node.ts';
import { merged, planText, summaries, troubleOf, verdictOf } from './outcome.ts';
import { BLANK, type Memory, type RetryPolicy, remember, type Verdict } from './retry.ts';
import { inOrder } from './schedule.ts';
import type { ChangeResult, ResourceResult } from './types.ts';

/** Two resources that undo each other would go on for ever; one that needs a second look after the others is done by then. */
const MAX_PASSES = 3;
const NO_CHANGES: readonly never[] = [];

export interface RunContext {
  readonly loaded: Loaded;
  /** Those of `loaded.nodes` that this run is about. */
  readonly nodes: readonly Node[];
  readonly reader: HostReader;
  /** By position. The run replaces what it learns. */
  readonly memories: Memory[];
  readonly policy: RetryPolicy;
  readonly now: () => number;
  readonly random: () => number;
  /** `summary` of the change that is about to be applied. */
  readonly onChange: (ref: ResourceRef, summary: string) => void;
  readonly onResource: (result: ResourceResult) => void;
}

/** Takes the run lock; only a run that has something to repair does. */
export type TakeLock = () => Promise<{ release(): Promise<void> }>;

/** Looks at everything, in no order, and repairs nothing. Learns nothing either. */
export async function dryRun(context: RunContext): Promise<readonly ResourceResult[]> {
  const looks = await survey(context.nodes, context.reader, 0);
  // A plan shows what differs, also where a retry is not due yet.
  const run = new Run({ ...context, memories: context.memories.map(({ converged }) => ({ ...BLANK, converged })) });
  return context.nodes.map((node) => run.judge(node, lookOf(looks, node)));
}

/**
 * Looks at everything at once; where nothing is to be repaired that is all. Otherwise takes the lock and goes through
 * the resources in their order, and then looks again at all of them, since one may have undone another.
 */
export async function enforce(
  context: RunContext,
  writer: () => Host,
  takeLock: TakeLock,
): Promise<readonly ResourceResult[]> {
  const run = new Run(context);
  const looks = await survey(context.nodes, context.reader, run.generation);
  if (!context.nodes.some((node) => run.wouldRepair(node, lookOf(looks, node)))) {
    for (const node of context.nodes) run.settle(node, run.judge(node, lookOf(looks, node)));
    return run.results();
  }
  const lock = await takeLock();
  try {
    // Whoever held the lock before us may have changed the host since we looked.
    run.generation += 1;
    await passes(run, context, writer(), looks);
  } finally {
    await lock.release();
  }
  return run.results();
}

async function passes(run: Run, context: RunContext, host: Host, first: Map<number, Look>): Promise<void> {
  let nodes = context.nodes;
  let looks = first;
  for (let pass = 1; ; pass += 1) {
    const before = run.generation;
    await inOrder(nodes, (node) => run.visit(node, lookOf(looks, node), host));
    if (run.generation === before) return;
    nodes = nodes.filter((node) => run.isInOrder(node));
    looks = await survey(nodes, context.reader, run.generation);
    const undone = nodes.filter((node) => run.isUndone(node, lookOf(looks, node)));
    if (undone.length === 0) return;
    if (pass === MAX_PASSES) {
      for (const node of undone) run.settleUndone(node, lookOf(looks, node));
      return;
    }
  }
}

function lookOf(looks: ReadonlyMap<number, Look>, node: Node): Look {
  const look = looks.get(node.position);
  if (look === undefined) throw new Error(`nobody looked at ${node.kind}/${node.name}`);
  return look;
}

/** One reconcile under way: what is settled, and who is in trouble. */
class Run {
  /** How many changes this run has tried on the host. */
  generation = 0;
  readonly #context: RunContext;
  /** What was known when the run began: the cause of a change is judged by this. */
  readonly #before: readonly Memory[];
  readonly #settled = new Map<number, ResourceResult>();
  /** By position: the resource at the root of the trouble. */
  readonly #trouble = new Map<number, ResourceRef>();

  constructor(context: RunContext) {
    this.#context = context;
    this.#before = [...context.memories];
  }

  results(): readonly ResourceResult[] {
    return this.#context.nodes.map((node) => this.#settled.get(node.position)).filter((result) => result !== undefined);
  }

  isInOrder(node: Node): boolean {
    const status = this.#settled.get(node.position)?.status;
    return status === 'converged' || status === 'changed';
  }

  wouldRepair(node: Node, look: Look): boolean {
    return look.changes.length > 0 && node.mode === 'enforce' && this.#withheld(node, look) === undefined;
  }

  isUndone(node: Node, look: Look): boolean {
    return look.error !== undefined || this.wouldRepair(node, look);
  }

  /** Repairs the node, or says why not. Never rejects. */
  async visit(node: Node, earlier: Look, host: Host): Promise<void> {
    const { reader } = this.#context;
    const look = earlier.generation === this.generation ? earlier : await lookAt(node, reader, this.generation);
    const blocker = this.#blocker(node);
    if (blocker !== undefined && node.mode === 'enforce' && (look.changes.length > 0 || look.error !== undefined)) {
      this.settle(node, this.#result(node, 'blocked', look, { blockedBy: blocker }));
    } else if (this.wouldRepair(node, look)) {
      await this.#repair(node, look, host);
    } else {
      this.settle(node, this.judge(node, look));
    }
  }

  /** What a look alone says. */
  judge(node: Node, look: Look): ResourceResult {
    if (look.error !== undefined) return this.#judgeError(node, look, look.error);
    if (look.changes.length === 0) return this.#result(node, 'converged', look);
    const withheld = this.#withheld(node, look);
    if (withheld === undefined || node.mode === 'report') return this.#result(node, 'drifted', look);
    const { error, retryAt_ms } = this.#memory(node);
    const why = { ...(error === undefined ? {} : { error }), ...(withheld === 'waiting' ? { retryAt_ms } : {}) };
    return this.#result(node, withheld, look, why);
  }

  settle(node: Node, result: ResourceResult, verdict: Verdict = verdictOf(result)): void {
    const { memories, policy, now, random, onResource } = this.#context;
    const memory = remember(this.#memory(node), verdict, policy, now(), random);
    memories[node.position] = memory;
    const dated = result.status === 'failed' ? { ...result, retryAt_ms: memory.retryAt_ms } : result;
    const whole = merged(this.#settled.get(node.position), dated);
    if (whole === this.#settled.get(node.position)) return;
    this.#settled.set(node.position, whole);
    const root = troubleOf(whole);
    if (root !== undefined) this.#trouble.set(node.position, root);
    onResource(whole);
  }

  settleUndone(node: Node, look: Look): void {
    const reason = 'another resource, or a program on the host, keeps undoing it';
    const error = look.error ?? new NotConverged(summaries(look), reason);
    this.settle(node, this.#result(node, 'failed', look, { error: this.#errorText(error) }));
  }

  async #repair(node: Node, look: Look, host: Host): Promise<void> {
    const started = performance.now();
    const changes: ChangeResult[] = [];
    let error: unknown;
    for (const change of look.changes) {
      if (error !== undefined) {
        changes.push(this.#change(change, 'pending'));
        continue;
      }
      const begun = performance.now();
      this.#context.onChange(node, this.#context.loaded.mask(change.summary));
      try {
        await change.apply(host);
        changes.push(this.#change(change, 'applied', performance.now() - begun));
      } catch (caught) {
        error = caught ?? new Error('it failed without saying why');
        changes.push(this.#change(change, 'failed', performance.now() - begun));
      }
      // Afterwards, so that a look that others take during the change counts as out of date.
      this.generation += 1;
    }
    const after = error === undefined ? await lookAt(node, this.#context.reader, this.generation) : undefined;
    error ??= after?.error;
    if (after !== undefined && after.changes.length > 0) error = new NotConverged(summaries(after));
    const duration_ms = look.duration_ms + performance.now() - started;
    const result = { ...this.#result(node, 'changed', look), changes, duration_ms };
    if (error === undefined) {
      this.settle(node, result);
    } else {
      const status = error instanceof Stalled ? 'stalled' : 'failed';
      const text = this.#errorText(error);
      this.settle(node, { ...result, status, error: text }, verdictOf({ status, error: text }, planText(look)));
    }
  }

  #judgeError(node: Node, look: Look, thrown: unknown): ResourceResult {
    const error = this.#errorText(thrown);
    if (thrown instanceof Stalled) return this.#result(node, 'stalled', look, { error });
    const { retryAt_ms } = this.#memory(node);
    if (retryAt_ms > this.#context.now()) return this.#result(node, 'waiting', look, { error, retryAt_ms });
    return this.#result(node, 'failed', look, { error });
  }

  #withheld(node: Node, look: Look): 'waiting' | 'stalled' | undefined {
    const { retryAt_ms, stalledOn } = this.#memory(node);
    if (retryAt_ms > this.#context.now()) return 'waiting';
    // The same plan as the one it stalled on: neither the declaration nor the host has changed.
    return stalledOn !== undefined && stalledOn === planText(look) ? 'stalled' : undefined;
  }

  #blocker(node: Node): ResourceRef | undefined {
    for (const position of node.requires) {
      const root = this.#trouble.get(position);
      if (root !== undefined) return root;
    }
    return undefined;
  }

  #result(
    node: Node,
    status: ResourceResult['status'],
    look: Look,
    why: Pick<ResourceResult, 'error' | 'blockedBy' | 'retryAt_ms'> = {},
  ): ResourceResult {
    const { kind, name, mode } = node;
    if (look.changes.length === 0 && status === 'converged') {
      return { kind, name, status, mode, changes: NO_CHANGES, duration_ms: look.duration_ms };
    }
    const changes = look.changes.map((change) => this.#change(change, 'pending'));
    const cause = this.#before[node.position]?.converged === true ? 'corrective' : 'intended';
    return {
      kind,
      name,
      status,
      mode,
      changes,
      ...(changes.length === 0 ? {} : { cause }),
      ...why,
      duration_ms: look.duration_ms,
    };
  }

  #change(change: PlannedChange, outcome: ChangeResult['outcome'], duration_ms = 0): ChangeResult {
    const { mask } = this.#context.loaded;
    const { summary, diff, hazard } = change;
    return {
      summary: mask(summary),
      ...(diff === undefined ? {} : { diff: mask(diff) }),
      hazard,
      outcome,
      duration_ms,
    };
  }

  #errorText(error: unknown): string {
    return this.#context.loaded.mask(errorText(error));
  }

  #memory(node: Node): Memory {
    const memory = this.#context.memories[node.position];
    if (memory === undefined) throw new Error(`nothing is remembered of ${node.kind}/${node.name}`);
    return memory;
  }
}

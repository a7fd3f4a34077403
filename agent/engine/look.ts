import type { HostReader, PlannedChange } from '../resource.ts';
import type { Node } from './node.ts';

/** What looking at one resource gave: a plan, or the error that kept us from seeing. */
export interface Look {
  readonly changes: readonly PlannedChange[];
  readonly error?: unknown;
  /** How many changes this run had made to the host when we looked: a look from before the last change may be out of date. */
  readonly generation: number;
  readonly duration_ms: number;
}

/** Enough that nobody waits for another's socket, and few enough that the file descriptors and memory of a small VM last. */
const CONCURRENT_LOOKS = 16;

/** Each port has bounds of its own; this one is for the bug in them. */
const SURVEY_BOUND_MS = 180_000;

export async function lookAt(node: Node, reader: HostReader, generation: number): Promise<Look> {
  const started = performance.now();
  try {
    const changes = await node.plan(reader);
    return { changes, generation, duration_ms: performance.now() - started };
  } catch (error) {
    return { changes: [], error, generation, duration_ms: performance.now() - started };
  }
}

/** Looks at all of them in no particular order. By position. */
export async function survey(
  nodes: readonly Node[],
  reader: HostReader,
  generation: number,
  bound_ms = SURVEY_BOUND_MS,
): Promise<Map<number, Look>> {
  const looks = new Map<number, Look>();
  const left = nodes.values();
  const work = async (): Promise<void> => {
    for (const node of left) looks.set(node.position, await lookAt(node, reader, generation));
  };
  const workers = Array.from({ length: Math.min(CONCURRENT_LOOKS, nodes.length) }, work);
  await endOrBound(Promise.all(workers), bound_ms);
  const missed = nodes.filter((node) => !looks.has(node.position));
  if (missed.length === 0) return looks;
  const error = new Error(`looking at it did not end within ${Math.round(bound_ms / 1000)} s`);
  // A copy, because a look that ends after all still writes to the first map.
  const bounded = new Map(looks);
  for (const node of missed) bounded.set(node.position, { changes: [], error, generation, duration_ms: bound_ms });
  return bounded;
}

async function endOrBound(work: Promise<unknown>, bound_ms: number): Promise<void> {
  const bound = Promise.withResolvers<void>();
  const timer = setTimeout(bound.resolve, bound_ms);
  try {
    await Promise.race([work, bound.promise]);
  } finally {
    clearTimeout(timer);
  }
}

import type { Node } from './node.ts';

/** Applying is mostly waiting for other programs; the VMs are small. */
const CONCURRENT_VISITS = 4;

/**
 * Visits each node once, after those of `nodes` that it requires. Independent ones run side by side, but never two of
 * one kind: their tools take the same locks (`useradd` twice, `apt` twice) or the same memory (two builds).
 * `visit` must not reject.
 */
export async function inOrder(nodes: readonly Node[], visit: (node: Node) => Promise<void>): Promise<void> {
  const { ready, missing, dependents } = arrange(nodes);
  const busyKinds = new Set<string>();
  const running = new Set<Promise<void>>();

  const visitOne = async (node: Node): Promise<void> => {
    busyKinds.add(node.kind);
    await visit(node);
    busyKinds.delete(node.kind);
    for (const dependent of dependents.get(node.position) ?? []) {
      const left = (missing.get(dependent.position) ?? 0) - 1;
      missing.set(dependent.position, left);
      if (left === 0) insertByPosition(ready, dependent);
    }
  };

  for (;;) {
    const next = running.size < CONCURRENT_VISITS ? ready.findIndex((node) => !busyKinds.has(node.kind)) : -1;
    const [node] = next === -1 ? [] : ready.splice(next, 1);
    if (node !== undefined) {
      const visiting = visitOne(node).finally(() => running.delete(visiting));
      running.add(visiting);
    } else if (running.size > 0) {
      await Promise.race(running);
    } else {
      return;
    }
  }
}

interface Arrangement {
  /** Those that wait for nobody, in the order of the manifest. */
  readonly ready: Node[];
  /** By position: how many requirements are not visited yet. */
  readonly missing: Map<number, number>;
  readonly dependents: ReadonlyMap<number, readonly Node[]>;
}

function arrange(nodes: readonly Node[]): Arrangement {
  const present = new Set(nodes.map((node) => node.position));
  const missing = new Map<number, number>();
  const dependents = new Map<number, Node[]>();
  for (const node of nodes) {
    const requires = node.requires.filter((position) => present.has(position));
    missing.set(node.position, requires.length);
    for (const position of requires) {
      const list = dependents.get(position);
      if (list === undefined) dependents.set(position, [node]);
      else list.push(node);
    }
  }
  return { ready: nodes.filter((node) => missing.get(node.position) === 0), missing, dependents };
}

function insertByPosition(ready: Node[], node: Node): void {
  const at = ready.findIndex((other) => other.position > node.position);
  ready.splice(at === -1 ? ready.length : at, 0, node);
}

import type { ResourceRef } from '../resource.ts';
import { OrderError } from './errors.ts';
import { refText } from './types.ts';

export interface Orderable extends ResourceRef {
  /** Declared: must exist, and must not form a cycle. */
  readonly requires: readonly ResourceRef[];
  /** Derived: ignored where the manifest has no such resource, and where it would close a cycle. */
  readonly autoRequires: readonly ResourceRef[];
}

/** By position in the manifest: the positions that come first. */
export type Requirements = readonly (readonly number[])[];

/** The order that the manifest asks for. Throws `OrderError` naming the missing resource or the cycle. */
export function requirementsOf(resources: readonly Orderable[]): Requirements {
  const positions = new Map<string, number>();
  for (const [position, resource] of resources.entries()) {
    const name = refText(resource);
    if (positions.has(name)) throw new OrderError(`${name} is declared twice`);
    positions.set(name, position);
  }
  const declared = resources.map((resource) =>
    resource.requires.map((ref) => declaredPosition(resource, ref, positions)),
  );
  const cycle = findCycle(declared);
  if (cycle !== undefined)
    throw new OrderError(`resources require each other in a cycle: ${cycleText(resources, cycle)}`);
  const all = resources.map((resource, position) => {
    const own = new Set(declared[position]);
    for (const ref of resource.autoRequires) {
      const required = positions.get(refText(ref));
      if (required !== undefined && required !== position) own.add(required);
    }
    return [...own];
  });
  return findCycle(all) === undefined ? all : withoutCycles(declared, all);
}

function declaredPosition(resource: ResourceRef, ref: ResourceRef, positions: ReadonlyMap<string, number>): number {
  const position = positions.get(refText(ref));
  if (position !== undefined) return position;
  throw new OrderError(`${refText(resource)} requires ${refText(ref)}, which the manifest does not declare`);
}

/** Adds the derived requirements one by one and leaves out each that would close a cycle. */
function withoutCycles(declared: Requirements, all: Requirements): Requirements {
  const kept = declared.map((requirements) => [...requirements]);
  for (const [position, requirements] of all.entries()) {
    for (const required of requirements) {
      const own = kept[position];
      if (own === undefined || own.includes(required) || reaches(kept, required, position)) continue;
      own.push(required);
    }
  }
  return kept;
}

function reaches(requirements: Requirements, from: number, to: number): boolean {
  const seen = new Set<number>([from]);
  for (const position of seen) {
    if (position === to) return true;
    for (const next of requirements[position] ?? []) seen.add(next);
  }
  return false;
}

/** Positions along a cycle, the first one again at the end; `undefined` where there is none. Iterative: a chain may be long. */
function findCycle(requirements: Requirements): readonly number[] | undefined {
  const done = new Set<number>();
  for (const start of requirements.keys()) {
    if (done.has(start)) continue;
    const path: number[] = [start];
    const onPath = new Set(path);
    const nextChild = [0];
    while (path.length > 0) {
      const top = path.length - 1;
      const position = path[top] ?? 0;
      const child = requirements[position]?.[nextChild[top] ?? 0];
      nextChild[top] = (nextChild[top] ?? 0) + 1;
      if (child === undefined) {
        done.add(position);
        onPath.delete(position);
        path.pop();
        nextChild.pop();
      } else if (onPath.has(child)) {
        return [...path.slice(path.indexOf(child)), child];
      } else if (!done.has(child)) {
        path.push(child);
        onPath.add(child);
        nextChild.push(0);
      }
    }
  }
  return undefined;
}

function cycleText(resources: readonly Orderable[], cycle: readonly number[]): string {
  return cycle
    .map((position) => resources[position])
    .filter((resource) => resource !== undefined)
    .map(refText)
    .join(' → ');
}

import type { ResourceRef } from '../../desired-state/schema/kind.ts';
import type { Place } from './issue.ts';
import { hint } from './names.ts';

/** A resource with what it declares to require, and where. Resources with something wrong in them are here, too. */
export interface Requirer {
  readonly name: string;
  readonly requires: readonly { readonly name: string; readonly place: Place }[];
}

export interface RequirementIssue {
  readonly place: Place;
  readonly message: string;
}

/** `packages/packages` */
export function refName(ref: ResourceRef): string {
  return `${ref.kind}/${ref.name}`;
}

/** Requirements that the host does not have. */
export function findDangling(requirers: readonly Requirer[]): readonly RequirementIssue[] {
  const all = requirers.filter(({ requires }) => requires.length > 0);
  if (all.length === 0) return [];
  const declared = new Set(requirers.map((one) => one.name));
  return all.flatMap(({ requires }) =>
    requires
      .filter(({ name }) => !declared.has(name))
      .map(({ name, place }) => ({
        place,
        message: `requires "${name}", which this host does not have${hint(name, declared)}`,
      })),
  );
}

/** Cycles of declared requirements, each told once. */
export function findCycles(requirers: readonly Requirer[]): readonly RequirementIssue[] {
  const all = requirers.filter(({ requires }) => requires.length > 0);
  const byName = new Map(all.map((one) => [one.name, one]));
  const done = new Set<string>();
  const issues: RequirementIssue[] = [];
  const visit = (requirer: Requirer, trail: readonly string[]): void => {
    if (done.has(requirer.name)) return;
    const here = [...trail, requirer.name];
    for (const { name, place } of requirer.requires) {
      const start = here.indexOf(name);
      const target = byName.get(name);
      if (start !== -1) {
        issues.push({ place, message: `requirements go in a circle: ${[...here.slice(start), name].join(' → ')}` });
      } else if (target !== undefined) visit(target, here);
    }
    done.add(requirer.name);
  };
  for (const requirer of all) visit(requirer, []);
  return issues;
}

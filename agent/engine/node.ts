import type { Mode } from '../../desired-state/schema/manifest.ts';
import { collectFragments } from '../../desired-state/schema/secret.ts';
import { mask } from '../describe.ts';
import type { HostReader, PlannedChange, ResourceRef, WatchHint } from '../resource.ts';
import { OrderError } from './errors.ts';
import { requirementsOf } from './order.ts';
import type { EngineManifest, Registry } from './types.ts';

/** A resource in its place in the order, bound to its kind. */
export interface Node extends ResourceRef {
  /** Its place in the manifest. */
  readonly position: number;
  readonly mode: Mode;
  readonly spec: unknown;
  /** Positions that come first. */
  readonly requires: readonly number[];
  readonly watch: readonly WatchHint[];
  plan(host: HostReader): Promise<readonly PlannedChange[]>;
}

export interface Loaded {
  readonly manifest: EngineManifest;
  readonly nodes: readonly Node[];
  /** Replaces every secret of the manifest by `***`. */
  readonly mask: (text: string) => string;
}

/** Binds each resource to its kind, once per manifest. Throws `OrderError`. */
export function loadManifest(manifest: EngineManifest, registry: Registry): Loaded {
  const bound = manifest.resources.map((resource) => {
    const type = registry[resource.kind];
    if (type === undefined) throw new OrderError(`no kind "${resource.kind}" is known here: upgrade the agent`);
    return { ...resource, type, autoRequires: type.autoRequires(resource.spec) };
  });
  const requirements = requirementsOf(bound);
  const fragments = collectFragments(manifest.resources.map((resource) => resource.spec));
  return {
    manifest,
    mask: (text) => mask(text, fragments),
    nodes: bound.map(({ kind, name, spec, mode, type }, position) => ({
      kind,
      name,
      spec,
      position,
      mode: mode ?? manifest.mode,
      requires: requirements[position] ?? [],
      watch: type.watch(spec),
      plan: (host) => type.plan(spec, host),
    })),
  };
}

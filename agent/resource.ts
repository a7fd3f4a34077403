/**
 * The interface of a resource kind: the first file to read.
 *
 * A kind says how to look at a host (`observe`), what differs from the declaration (`diff`), how to say it to a person
 * (`describe`) and how to repair it (`apply`). It never retries, never remembers, and never decides whether to act: the
 * engine does. After an apply the engine plans again; a plan that is not empty is the error `NotConverged`.
 */
import type { ResourceRef } from '../desired-state/schema/kind.ts';
import type { Host, HostReader } from './host/host.ts';

export type { Host, HostReader, ResourceRef };

/**
 * What a change costs the people who use the host, cheapest first.
 * `none`: nobody notices; `reload`: a daemon takes a new configuration without dropping a request; `restart`: a daemon
 * is away for a moment; `destructive`: data or a hand-made thing goes away and cannot be brought back.
 */
export type Hazard = 'none' | 'reload' | 'restart' | 'destructive';

/** What a plan prints for one change. No secret in clear: see `agent/describe.ts` for the helpers that mask. */
export interface Described {
  /** One line in the imperative, without the resource's name: `write 12 lines`, `set mode 0600 (is 0644)`. */
  readonly summary: string;
  /** A unified diff where the change is one of text. */
  readonly diff?: string;
  readonly hazard: Hazard;
}

/**
 * An event source that only ever shortens the delay until the next look; correctness never depends on it. A `path` is
 * watched itself, whether it is there or not; with `entries`, where it is a folder, so is what lies directly in it.
 */
export type WatchHint = { readonly path: string; readonly entries?: true } | { readonly everySeconds: number };

export interface ResourceParts<Spec, State, Change> {
  /** Looks, never touches. Absence is a state and not an error: on a blank host it returns, and does not throw. */
  observe(spec: Spec, host: HostReader): Promise<State>;
  /** Pure and total. An empty list means converged. Changes are applied in the order in which they stand. */
  diff(spec: Spec, state: State): readonly Change[];
  describe(change: Change): Described;
  apply(change: Change, host: Host): Promise<void>;
  /** Resources that come first when the manifest has them; those that it has not are ignored. */
  autoRequires?(spec: Spec): readonly ResourceRef[];
  watch?(spec: Spec): readonly WatchHint[];
}

export interface PlannedChange extends Described {
  apply(host: Host): Promise<void>;
}

/** A kind as the engine sees it: `State` and `Change` are closed over, so that the engine needs no cast. */
export interface ResourceType<Spec> {
  plan(spec: Spec, host: HostReader): Promise<readonly PlannedChange[]>;
  autoRequires(spec: Spec): readonly ResourceRef[];
  watch(spec: Spec): readonly WatchHint[];
}

export function defineResource<Spec, State, Change>(parts: ResourceParts<Spec, State, Change>): ResourceType<Spec> {
  return {
    async plan(spec, host) {
      const state = await parts.observe(spec, host);
      return parts.diff(spec, state).map((change) => ({
        ...parts.describe(change),
        apply: (writable: Host) => parts.apply(change, writable),
      }));
    },
    autoRequires: (spec) => parts.autoRequires?.(spec) ?? [],
    watch: (spec) => parts.watch?.(spec) ?? [],
  };
}

/**
 * The declared state cannot be reached however often it is tried: it waits for a new revision or for the host to change.
 * Every other error is retried by the engine with capped, jittered backoff.
 */
export class Stalled extends Error {
  override readonly name = 'Stalled';
}

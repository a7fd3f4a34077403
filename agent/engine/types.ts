import type { Mode } from '../../desired-state/schema/manifest.ts';
import type { Hazard, ResourceRef, ResourceType } from '../resource.ts';

/** The nouns of the engine: what goes in (a manifest, a registry) and what comes out (results). All of it is plain data. */

/** Kinds by name. The specs' types are checked where `agent/registry.ts` is written; here a kind is only a key. */
export type Registry = Readonly<Record<string, ResourceType<unknown>>>;

/** One resource of a manifest as the engine sees it: the spec is opaque. */
export interface DeclaredResource extends ResourceRef {
  readonly spec: unknown;
  readonly requires: readonly ResourceRef[];
  readonly mode?: Mode | undefined;
}

/** The part of a manifest that the engine reads. */
export interface EngineManifest {
  readonly host: string;
  readonly revision: string;
  readonly sequence?: number | undefined;
  readonly mode: Mode;
  readonly agent: { readonly retryFirst_ms: number; readonly retryMax_ms: number };
  readonly resources: readonly DeclaredResource[];
}

/**
 * `converged`: nothing differs. `changed`: it differed and was repaired. `drifted`: it differs and nobody may repair it
 * (a dry run, or mode `report`). `failed`: looking or repairing failed; tried again later. `waiting`: it failed before
 * and the delay until the next try has not passed. `stalled`: trying again cannot help until the revision or the host
 * changes. `blocked`: it differs, and a resource that it requires is not in order.
 */
export type Status = 'converged' | 'changed' | 'drifted' | 'failed' | 'waiting' | 'stalled' | 'blocked';

/**
 * `corrective`: the resource was converged under this declaration before, so somebody or something changed the host.
 * `intended`: the declaration is new.
 */
export type Cause = 'corrective' | 'intended';

export interface ChangeResult {
  readonly summary: string;
  readonly diff?: string;
  readonly hazard: Hazard;
  readonly outcome: 'applied' | 'failed' | 'pending';
  /** Of the apply; 0 where it was not tried. */
  readonly duration_ms: number;
}

export interface ResourceResult extends ResourceRef {
  readonly status: Status;
  readonly mode: Mode;
  readonly changes: readonly ChangeResult[];
  /** Present where there are changes. */
  readonly cause?: Cause;
  /** Present for `failed`, `waiting` and `stalled`; secrets masked. */
  readonly error?: string;
  /** Present for `blocked`: the resource at the root of the trouble. */
  readonly blockedBy?: ResourceRef;
  /** Present for `failed` and `waiting`: when it is tried again, in milliseconds since the epoch. */
  readonly retryAt_ms?: number;
  readonly duration_ms: number;
}

/** What one reconcile did, or a dry run found. */
export interface RunResult {
  readonly host: string;
  readonly revision: string;
  /** Of the manifest; tells apart two that were made of one revision. */
  readonly sequence?: number;
  readonly dryRun: boolean;
  /** Milliseconds since the epoch. */
  readonly started_ms: number;
  readonly duration_ms: number;
  /** In the order of the manifest. */
  readonly resources: readonly ResourceResult[];
}

export function refText(ref: ResourceRef): string {
  return `${ref.kind}/${ref.name}`;
}

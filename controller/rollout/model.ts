import type { RolloutSettings } from '../../desired-state/schema/rollout.ts';
import type { RolloutHostState, RolloutState } from '../store/tables.ts';

/** The nouns of a rollout: plain data, as the store keeps it. */

/** Hosts of one environment with the same roles and settings. Each group goes its own way. */
export interface Group extends Omit<RolloutSettings, 'canary' | 'batch'> {
  readonly name: string;
  readonly waves: number;
}

/** `after` wait until all of `before` are converged: they use a password that those set. */
export interface OrderRule {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** What was decided when it began, and by operators since. */
export interface RolloutPlan {
  readonly groups: readonly Group[];
  readonly order: readonly OrderRule[];
  /** How many hosts have the same manifest as before, and are not part of it. */
  readonly unchanged: number;
  /** Failures with which an operator has told it to go on. */
  readonly accepted: readonly string[];
  /** An operator has told it not to wait for the end of a freeze. */
  readonly ignoresFreeze: boolean;
  /** An operator has paused it. */
  readonly held: string | null;
}

export interface Rollout {
  readonly id: number;
  readonly revision: string;
  readonly sequence: number;
  readonly state: RolloutState;
  readonly version: number;
  readonly started_ms: number;
  readonly updated_ms: number;
  readonly ended_ms: number | null;
  readonly why: string | null;
  readonly startedBy: string;
  readonly cause: RolloutCause;
  readonly plan: RolloutPlan;
}

/**
 * `push`: the way of a revision. `renewal`: the same revision means something else, mostly because of other secrets.
 * `rollback`: back to what hosts had before.
 */
export type RolloutCause = 'push' | 'renewal' | 'rollback';

export interface RolloutHost {
  readonly host: string;
  readonly group: string;
  /** From 0. */
  readonly wave: number;
  readonly etag: string;
  readonly previous: string | null;
  readonly state: RolloutHostState;
  readonly since_ms: number;
  readonly why: string | null;
}

/** A rollout with its hosts. */
export interface RolloutView {
  readonly rollout: Rollout;
  readonly hosts: readonly RolloutHost[];
}

export function isOver(state: RolloutState): boolean {
  return state === 'done' || state === 'aborted' || state === 'superseded';
}

/** Whether the host was given the manifest, however it fares with it. */
export function isGiven({ state }: Pick<RolloutHost, 'state'>): boolean {
  return state === 'offered' || state === 'converged' || state === 'failed';
}

import type { Compilation } from '../compile/compile.ts';
import type { Tree } from '../compile/tree.ts';
import type { Refusal } from '../source/refusal.ts';
import type { OperatorRole } from '../store/tables.ts';
import type { AuditEntry } from '../trust/audit.ts';

/**
 * What the git side needs of the other parts of the controller. They are given when it is put together, so that a push
 * can be tested without a fleet.
 */

/** Who brings a revision. */
export interface Pusher {
  /** As the audit log writes it: `token:<name>`, `user:<name>` of this machine, `mirror`. */
  readonly actor: string;
  readonly role: OperatorRole;
  readonly address: string | undefined;
}

/** A commit that is on its way in, or that is in. */
export interface Candidate {
  readonly revision: string;
  readonly subject: string;
  readonly by: Pusher;
}

export interface Compiler {
  /** Every host's manifest of the tree, or everything that is wrong with it. Changes nothing. */
  compile(tree: Tree, revision: string): Promise<Compilation>;
}

/** One change that a host would see, in the words of its agent or from comparing manifests. */
export interface PlannedChange {
  readonly kind: string;
  readonly name: string;
  readonly summary: string;
  /** Secrets are masked. */
  readonly diff?: string;
  readonly hazard: 'none' | 'reload' | 'restart' | 'destructive';
}

/** What a revision would do to a host. */
export interface HostPlan {
  readonly host: string;
  /** `agent`: it looked at the host. `manifests`: the host did not answer; what it has was compared with what it would get. */
  readonly source: 'agent' | 'manifests';
  readonly changes: readonly PlannedChange[];
  /** Why nothing certain can be said, in words. */
  readonly note?: string;
}

export interface Planner {
  /** What the compilation would do to each host; resolves within `bound_ms`. Hosts that mean the same have no changes. */
  plan(compilation: Compilation, options: PlanOptions): Promise<readonly HostPlan[]>;
}

export interface PlanOptions {
  readonly bound_ms: number;
  readonly signal: AbortSignal;
}

/** What happens to the hosts, as the pusher reads it. */
export type RolloutEvent =
  | { readonly type: 'converged'; readonly host: string; readonly took_ms: number }
  | { readonly type: 'failed'; readonly host: string; readonly why: string }
  /** Anything else worth a line: the next wave, a freeze, a host that is silent. */
  | { readonly type: 'note'; readonly text: string }
  | {
      readonly type: 'ended';
      readonly state: 'done' | 'paused' | 'aborted' | 'superseded' | 'frozen';
      readonly why: string | undefined;
    };

export interface Rollouts {
  /**
   * The branch is at this revision now; `compilation` is that of the push where this controller made it. Asked twice for
   * one revision while it is on its way, it goes on with what it has begun.
   */
  begin(candidate: Candidate, compilation: Compilation | undefined): Promise<void>;
  /** What happens to the hosts with this revision, from its beginning on; ends after `ended`, or with the signal. */
  follow(revision: string, signal: AbortSignal): AsyncIterable<RolloutEvent>;
}

/** The audit log. */
export interface AuditLog {
  record(entry: AuditEntry): Promise<void>;
}

/** Is told of each revision that is refused; never rejects. */
export type Refused = (candidate: Candidate, why: readonly Refusal[]) => Promise<void>;

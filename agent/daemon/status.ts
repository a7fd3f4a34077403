import type { Mode } from '../../desired-state/schema/manifest.ts';
import type { PauseState } from '../../desired-state/schema/report.ts';
import type { ChangeResult, ResourceResult, Status as ResourceStatus, RunResult } from '../engine/types.ts';
import type { Trigger } from '../metrics/catalog.ts';
import type { ControllerView } from './follow.ts';

/** The answer of `/status` and of `holdfast-agent status --json`. Times are milliseconds since the epoch; secrets masked. */
export interface AgentStatus {
  readonly host: string;
  readonly agentVersion: string;
  readonly pid: number;
  readonly started_ms: number;
  readonly verdict: Verdict;
  readonly mode?: Mode;
  readonly environment?: string;
  readonly roles?: readonly string[];
  readonly revision: {
    readonly running?: string;
    readonly wanted?: string;
    /** Present where they differ. */
    readonly whyDifferent?: string;
  };
  readonly controller: ControllerView;
  /** Absent where no controller is configured, or this host is not enrolled. */
  readonly certificate?: CertificateView;
  readonly pause?: PauseState;
  readonly run: {
    readonly current?: { readonly trigger: Trigger; readonly since_ms: number; readonly doing?: string };
    readonly last?: LastRun;
    /** A run as a whole could not be done. */
    readonly error?: { readonly at_ms: number; readonly message: string };
    readonly next_ms?: number;
    readonly nextRetry_ms?: number;
  };
  readonly resources: readonly ResourceView[];
  /** What is wrong with the agent itself. */
  readonly problems: readonly string[];
}

/** The certificate by which this host proves to the controller who it is. */
export interface CertificateView {
  /** It holds until then ("not after"). */
  readonly expires_ms: number;
  /** From then on the agent asks for the next one. */
  readonly renewal_ms: number;
  /** Present where the renewal is due and its last try failed; the next is an hour later. */
  readonly renewalFailed?: { readonly at_ms: number; readonly reason: string };
  /** Present where it has expired, or its renewal is due and fails: a line for people, with what to do. */
  readonly warning?: string;
}

/** `unknown`: no manifest, or no run has ended yet. `differs`: something differs that is not to be repaired. */
export type Verdict = 'converged' | 'differs' | 'failing' | 'unknown';

export interface LastRun {
  readonly trigger: Trigger;
  readonly revision: string;
  readonly started_ms: number;
  readonly duration_ms: number;
  readonly dryRun: boolean;
  readonly counts: Readonly<Partial<Record<ResourceStatus, number>>>;
}

export interface ResourceView extends Pick<ResourceResult, 'kind' | 'name' | 'status' | 'mode' | 'retryAt_ms'> {
  readonly error?: string;
  /** `kind/name`. */
  readonly blockedBy?: string;
  /** What differs now. */
  readonly pending?: readonly ChangeResult[];
  /** The last changes that were made, or tried. */
  readonly lastChange?: LastChange;
}

export interface LastChange {
  readonly at_ms: number;
  readonly revision: string;
  readonly cause?: 'corrective' | 'intended';
  readonly changes: readonly ChangeResult[];
  readonly error?: string;
}

const TROUBLE: ReadonlySet<ResourceStatus> = new Set(['failed', 'waiting', 'stalled', 'blocked']);

export function verdictOf(run: RunResult | undefined): Verdict {
  if (run === undefined) return 'unknown';
  const statuses = run.resources.map(({ status }) => status);
  if (statuses.some((status) => TROUBLE.has(status))) return 'failing';
  return statuses.includes('drifted') ? 'differs' : 'converged';
}

export function countStatuses(run: RunResult): LastRun['counts'] {
  const counts: Partial<Record<ResourceStatus, number>> = {};
  for (const { status } of run.resources) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** A change that was tried, for the memory of last changes; `undefined` where the result has none. */
export function triedChange({ changes, cause, error }: ResourceResult, run: RunResult): LastChange | undefined {
  if (changes.length === 0) return undefined;
  const tried = changes.filter(({ outcome }) => outcome !== 'pending');
  if (tried.length === 0) return undefined;
  return {
    at_ms: run.started_ms,
    revision: run.revision,
    changes: tried.map(shortDiff),
    ...(cause === undefined ? {} : { cause }),
    ...(error === undefined ? {} : { error }),
  };
}

export function resourceView(result: ResourceResult, lastChange: LastChange | undefined): ResourceView {
  const { kind, name, status, mode, changes, error, blockedBy, retryAt_ms } = result;
  const pending = changes.filter(({ outcome }) => outcome !== 'applied');
  return {
    kind,
    name,
    status,
    mode,
    ...(error === undefined ? {} : { error }),
    ...(blockedBy === undefined ? {} : { blockedBy: `${blockedBy.kind}/${blockedBy.name}` }),
    ...(retryAt_ms === undefined ? {} : { retryAt_ms }),
    ...(pending.length === 0 ? {} : { pending: pending.map(shortDiff) }),
    ...(lastChange === undefined ? {} : { lastChange }),
  };
}

/** Last changes stay in memory for as long as their resource is in the manifest. */
const MAX_DIFF_CHARACTERS = 4096;

function shortDiff(change: ChangeResult): ChangeResult {
  const { diff } = change;
  if (diff === undefined || diff.length <= MAX_DIFF_CHARACTERS) return change;
  return {
    ...change,
    diff: `${diff.slice(0, MAX_DIFF_CHARACTERS)}\n… ${diff.length - MAX_DIFF_CHARACTERS} more characters\n`,
  };
}

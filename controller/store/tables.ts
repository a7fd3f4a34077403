import type { Generated } from 'kysely';

/**
 * What the controller keeps, on SQLite and on PostgreSQL alike: texts, numbers and bytes alone, so that both mean the same.
 * Moments are milliseconds since the epoch by a controller's clock; `json` columns hold JSON as text; yes and no are 1 and 0.
 */
export interface Tables {
  readonly hosts: HostsTable;
  readonly reports: ReportsTable;
  readonly runs: RunsTable;
  readonly revisions: RevisionsTable;
  readonly manifests: ManifestsTable;
  readonly served: ServedTable;
  readonly rollouts: RolloutsTable;
  readonly rollout_hosts: RolloutHostsTable;
  readonly pauses: PausesTable;
  readonly previews: PreviewsTable;
  readonly certificates: CertificatesTable;
  readonly join_tokens: JoinTokensTable;
  readonly tokens: TokensTable;
  readonly audit: AuditTable;
  readonly git_refs: GitRefsTable;
  readonly git_packs: GitPacksTable;
  readonly settings: SettingsTable;
}

/** What was last heard of a host, whether or not git still names it. */
export interface HostsTable {
  host: string;
  last_seen_ms: number;
  last_report_ms: number | null;
  /** JSON: list of addresses by which others reach it. */
  addresses: string;
  /** JSON: what the last report says in short, see `host-summary.ts`. */
  summary: string | null;
}

/** The last report of a host, whole. By itself, because `hosts` is written whenever a host calls. */
export interface ReportsTable {
  host: string;
  /** JSON. */
  report: string;
}

/** One report of an agent that told of a run. */
export interface RunsTable {
  id: Generated<number>;
  host: string;
  at_ms: number;
  revision: string;
  /** The worst status of its resources. */
  status: string;
  duration_ms: number;
  changed: number;
  failed: number;
  /** JSON, see `runs.ts`: what was not in order, with diffs; secrets are masked by the agent. */
  detail: string;
  size_bytes: number;
}

/** Every revision that was ever offered. */
export interface RevisionsTable {
  /** git's object name of the commit. */
  revision: string;
  /** Rises with each revision that is accepted; tells a rollback from something outdated. Null where it was refused. */
  sequence: number | null;
  seen_ms: number;
  state: 'good' | 'refused';
  /** JSON: issues, see `compile/issue.ts`. */
  issues: string;
  /** Who brought it: the name of a token, `mirror`, or a user of this machine. */
  pushed_by: string;
  pushed_from: string | null;
  subject: string;
}

/** A host's manifest, once per meaning. */
export interface ManifestsTable {
  host: string;
  etag: string;
  /** The first revision that means this. */
  revision: string;
  sequence: number;
  environment: string;
  /** JSON: list. */
  roles: string;
  resources: number;
  /** The manifest as JSON text, sealed: it holds secrets. */
  sealed: Uint8Array;
  made_ms: number;
}

/** What a host gets now. */
export interface ServedTable {
  host: string;
  etag: string;
  /** The newest revision that means this for the host. */
  revision: string;
  since_ms: number;
}

export type RolloutState = 'running' | 'frozen' | 'paused' | 'done' | 'aborted' | 'superseded';

/** The way of one revision to the hosts. */
export interface RolloutsTable {
  id: Generated<number>;
  revision: string;
  sequence: number;
  state: RolloutState;
  /** Rises with every change; an update names the one it has read. */
  version: number;
  started_ms: number;
  updated_ms: number;
  ended_ms: number | null;
  /** Why it is in this state, in words. */
  why: string | null;
  started_by: string;
  /** `push`, `renewal` or `rollback`, see `rollout/model.ts`. */
  cause: string;
  /** JSON: settings per group, as they were when it began. */
  plan: string;
}

export type RolloutHostState = 'waiting' | 'offered' | 'converged' | 'failed' | 'unchanged' | 'gone';

export interface RolloutHostsTable {
  rollout: number;
  host: string;
  /** Hosts of one group go in waves: by role, see `rollout/`. */
  group_name: string;
  wave: number;
  /** The manifest that it shall get. */
  etag: string;
  /** The manifest that it had before; null where it had none. */
  previous: string | null;
  state: RolloutHostState;
  since_ms: number;
  why: string | null;
  /** Of the rollout that this came with: who knows an earlier one reads what came after it. */
  version: number;
}

/** A pause that an operator ordered through the controller. */
export interface PausesTable {
  host: string;
  until_ms: number;
  since_ms: number;
  by: string;
  why: string;
}

/** A dry run that was asked of a host, and what it answered. */
export interface PreviewsTable {
  id: string;
  host: string;
  asked_ms: number;
  /** The manifest, sealed. */
  sealed: Uint8Array;
  /** JSON: the plan; null until it comes. */
  answer: string | null;
  answered_ms: number | null;
}

export interface CertificatesTable {
  /** SHA-256 of the DER form, lower-case hex. */
  fingerprint: string;
  host: string;
  serial: string;
  issued_ms: number;
  expires_ms: number;
  revoked_ms: number | null;
  revoked_by: string | null;
  why: string | null;
  /** What tells one machine from its clone: hash of its machine-id, and an id made when it was started. */
  machine: string | null;
}

export interface JoinTokensTable {
  id: string;
  /** SHA-256 of the secret half. */
  hash: string;
  /** The host that it is for; null: any that git names. */
  host: string | null;
  created_ms: number;
  created_by: string;
  expires_ms: number;
  uses_left: number;
}

export type OperatorRole = 'read' | 'deploy' | 'admin';

export interface TokensTable {
  id: string;
  name: string;
  role: OperatorRole;
  hash: string;
  created_ms: number;
  created_by: string;
  expires_ms: number | null;
  last_used_ms: number | null;
  revoked_ms: number | null;
}

/** Who did what, from where. Only ever added to, until retention takes it. */
export interface AuditTable {
  id: Generated<number>;
  at_ms: number;
  /** `token:<name>`, `host:<name>`, `user:<name>`, `controller`, `anonymous`. */
  actor: string;
  address: string | null;
  /** `push`, `pause`, `resume`, `enroll`, `revoke`, `token.create`, `rollout.abort`, `refused` … */
  action: string;
  subject: string;
  /** JSON. */
  detail: string;
}

/** Where the branches are, for controllers that share a database. */
export interface GitRefsTable {
  name: string;
  revision: string;
  version: number;
}

/** What was pushed, for the other controllers to fetch. */
export interface GitPacksTable {
  id: Generated<number>;
  at_ms: number;
  pack: Uint8Array;
}

/** Single values: the CA's certificate, the schema of the settings themselves. */
export interface SettingsTable {
  name: string;
  value: string;
}

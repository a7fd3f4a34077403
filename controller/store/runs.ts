import type { Insertable, Kysely } from 'kysely';
import type { Report, ReportedResource } from '../../desired-state/schema/report.ts';
import type { HostSummary } from './host-summary.ts';
import type { RunsTable, Tables } from './tables.ts';

/** A run's details are cut to this by leaving out diffs, and then resources. */
const MAX_DETAIL_CHARACTERS = 256 * 1024;

const MAX_DURATION_MS = 2 ** 31 - 1;

/** `runs.detail`. */
export interface RunDetail {
  readonly dryRun: boolean;
  readonly started_ms: number;
  /** How many resources had which status. */
  readonly counts: Readonly<Record<string, number>>;
  /** Those that were not simply in order. */
  readonly resources: readonly ReportedResource[];
  /** What happened since the report before. */
  readonly past: Report['past'];
  readonly pastDropped: number;
  /** What was left out because it was too long. */
  readonly cut?: 'diffs' | 'resources';
}

export interface RunRow {
  readonly id: number;
  readonly host: string;
  readonly at_ms: number;
  readonly revision: string;
  readonly status: string;
  readonly duration_ms: number;
  readonly changed: number;
  readonly failed: number;
}

/** From the worst; what a run as a whole is called. */
const STATUSES = ['failed', 'stalled', 'blocked', 'waiting', 'drifted', 'changed', 'converged'];

/**
 * The run that a report tells of, as a row; `undefined` when it tells nothing new: heartbeats tell the last run again, and
 * a run that changed nothing and found the host as it was before is no event.
 */
export function runOf(
  report: Report,
  summary: HostSummary,
  before: HostSummary | undefined,
  at_ms: number,
): Insertable<RunsTable> | undefined {
  const { host, run, past, pastDropped } = report;
  if (run === undefined || summary.run === undefined) return undefined;
  const { counts, outcome } = summary.run;
  if (past.length === 0 && before?.run?.started_ms === run.started_ms) return undefined;
  if (past.length === 0 && before?.run?.outcome === outcome && counts['changed'] === undefined) return undefined;
  const resources = run.resources.filter(({ status }) => status !== 'converged');
  const { dryRun, started_ms, duration_ms, revision } = run;
  const detail = bounded({ dryRun, started_ms, counts, resources, past, pastDropped });
  return {
    host,
    at_ms,
    // Whatever an agent calls it: PostgreSQL takes no text with a NUL in it, and with it no other report of the batch.
    revision: revision.slice(0, 128).replaceAll(/[^ -~]/g, '?'),
    status: STATUSES.find((status) => counts[status] !== undefined) ?? 'converged',
    duration_ms: Math.round(Math.min(Math.max(duration_ms, 0), MAX_DURATION_MS)),
    changed: counts['changed'] ?? 0,
    failed: (counts['failed'] ?? 0) + (counts['stalled'] ?? 0),
    detail,
    size_bytes: Buffer.byteLength(detail),
  };
}

function bounded(detail: RunDetail): string {
  const full = JSON.stringify(detail);
  if (full.length <= MAX_DETAIL_CHARACTERS) return full;
  const without = (resource: ReportedResource): ReportedResource => ({
    ...resource,
    ...(resource.changes && { changes: resource.changes.map(({ diff: _diff, ...change }) => change) }),
  });
  const resources = detail.resources.map(without);
  const past = detail.past.map((entry) => ({ ...entry, resource: without(entry.resource) }));
  const short = JSON.stringify({ ...detail, resources, past, cut: 'diffs' });
  if (short.length <= MAX_DETAIL_CHARACTERS) return short;
  return JSON.stringify({ ...detail, resources: [], past: [], cut: 'resources' });
}

/** Runs without their details, newest first. `before`: an id; those that are older. */
export function listRuns(
  db: Kysely<Tables>,
  filter: { readonly host?: string; readonly before?: number; readonly limit: number },
): Promise<RunRow[]> {
  const { host, before, limit } = filter;
  return db
    .selectFrom('runs')
    .select(['id', 'host', 'at_ms', 'revision', 'status', 'duration_ms', 'changed', 'failed'])
    .$if(host !== undefined, (query) => query.where('host', '=', host ?? ''))
    .$if(before !== undefined, (query) => query.where('id', '<', before ?? 0))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

export async function readRun(
  db: Kysely<Tables>,
  id: number,
): Promise<(RunRow & { readonly detail: RunDetail }) | undefined> {
  const row = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) return undefined;
  const { detail, size_bytes: _size, ...rest } = row;
  return { ...rest, detail: JSON.parse(detail) as RunDetail };
}

/** Drops up to `most` of the oldest runs that are older, or more than fits. Returns how many it were. */
export async function dropRuns(
  db: Kysely<Tables>,
  keep: { readonly after_ms: number; readonly size_bytes: number },
  most: number,
): Promise<number> {
  const oldest = db.selectFrom('runs').select('id').orderBy('id').limit(most);
  const aged = await db
    .deleteFrom('runs')
    .where('id', 'in', oldest.where('at_ms', '<', keep.after_ms))
    .executeTakeFirst();
  if (aged.numDeletedRows > 0n) return Number(aged.numDeletedRows);
  const { size } = await db
    .selectFrom('runs')
    .select((row) => row.fn.sum<number | null>('size_bytes').as('size'))
    .executeTakeFirstOrThrow();
  let excess_bytes = (size ?? 0) - keep.size_bytes;
  if (excess_bytes <= 0) return 0;
  const candidates = await oldest.select('size_bytes').execute();
  const dropped: number[] = [];
  for (const { id, size_bytes } of candidates) {
    if (excess_bytes <= 0) break;
    dropped.push(id);
    excess_bytes -= size_bytes;
  }
  await db.deleteFrom('runs').where('id', 'in', dropped).execute();
  return dropped.length;
}

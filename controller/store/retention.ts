import { setTimeout as pause } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { dropAudit } from './audit.ts';
import type { HostRecords } from './host-records.ts';
import type { StoreLog } from './log.ts';
import { dropRevisions } from './revisions.ts';
import { dropRuns } from './runs.ts';
import { dropManifests } from './served-tables.ts';
import type { Tables } from './tables.ts';

const DAY_MS = 86_400_000;

/** How long things are kept. What is served, wanted or under way is kept in any case. */
export interface Retention {
  /** Runs, hosts that do not call any more, and everything else that only tells of the past. */
  readonly history_ms: number;
  readonly runs_bytes: number;
  readonly audit_ms: number;
  readonly auditEntries: number;
}

export const DEFAULT_RETENTION: Retention = {
  history_ms: 90 * DAY_MS,
  runs_bytes: 512 * 1024 * 1024,
  audit_ms: 400 * DAY_MS,
  auditEntries: 500_000,
};

/** Manifests that no host gets: a push back to what was before finds them, but they hold secrets. */
const MANIFESTS_MS = 2 * DAY_MS;
/** A preview is answered within seconds, and holds secrets. */
const PREVIEWS_MS = DAY_MS / 24;

/** Rows per statement, and the time for others after each: nobody waits for what nobody waits for. */
const BATCH = 200;
const PAUSE_MS = 50;
const SWEEP_EVERY_MS = DAY_MS / 24;
const FIRST_SWEEP_MS = 60_000;

/** Drops what has been kept for long enough. Several controllers may do it at once. Ends early, with `signal`. */
export async function sweep(options: {
  readonly db: Kysely<Tables>;
  readonly retention: Retention;
  readonly now_ms: number;
  readonly signal?: AbortSignal;
}): Promise<number> {
  const { db, retention, now_ms, signal } = options;
  const history_ms = now_ms - retention.history_ms;
  const steps: readonly (() => Promise<number>)[] = [
    () => dropRuns(db, { after_ms: history_ms, size_bytes: retention.runs_bytes }, BATCH),
    () => dropAudit(db, { after_ms: now_ms - retention.audit_ms, entries: retention.auditEntries }, BATCH),
    () => dropManifests(db, now_ms - MANIFESTS_MS, BATCH),
    () => dropPreviews(db, now_ms - PREVIEWS_MS),
    () => dropRollouts(db, history_ms),
    () => dropRevisions(db, history_ms, BATCH),
    () => dropTokens(db, history_ms),
  ];
  let sum = 0;
  for (const step of steps) sum += await repeat(step, signal);
  return sum;
}

async function repeat(step: () => Promise<number>, signal: AbortSignal | undefined): Promise<number> {
  let sum = 0;
  for (;;) {
    const dropped = signal?.aborted === true ? 0 : await step();
    if (dropped === 0) return sum;
    sum += dropped;
    await pause(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Sweeps every hour until the returned function is called; that resolves once nothing goes on any more. */
export function sweepRegularly(options: {
  readonly db: Kysely<Tables>;
  readonly records: HostRecords;
  readonly retention: Retention;
  readonly now_ms: () => number;
  readonly log: StoreLog;
}): () => Promise<void> {
  const { db, records, retention, log } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const run = async (): Promise<void> => {
    for (let wait_ms = FIRST_SWEEP_MS; !signal.aborted; wait_ms = SWEEP_EVERY_MS) {
      await pause(wait_ms, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const rows = await sweep({ db, retention, now_ms: options.now_ms(), signal });
        await records.forget(options.now_ms() - retention.history_ms);
        if (rows > 0) log.info({ rows }, 'old rows dropped');
      } catch (error) {
        log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'old rows could not be dropped');
      }
    }
  };
  const running = run();
  return () => {
    stopping.abort();
    return running;
  };
}

async function dropPreviews(db: Kysely<Tables>, before_ms: number): Promise<number> {
  const old = db.selectFrom('previews').select('id').where('asked_ms', '<', before_ms).limit(BATCH);
  return Number((await db.deleteFrom('previews').where('id', 'in', old).executeTakeFirst()).numDeletedRows);
}

/** With their hosts. Not the newest one: that it was aborted, say, still counts. */
async function dropRollouts(db: Kysely<Tables>, before_ms: number): Promise<number> {
  const newest = db.selectFrom('rollouts').select((row) => row.fn.max('id').as('id'));
  const ended = db.selectFrom('rollouts').select('id').where('ended_ms', '<', before_ms);
  const old = ended.where('id', '<', newest).orderBy('id').limit(10);
  return Number((await db.deleteFrom('rollouts').where('id', 'in', old).executeTakeFirst()).numDeletedRows);
}

/** Of hosts and operators that cannot be used any more; the audit log goes on telling of them. */
async function dropTokens(db: Kysely<Tables>, before_ms: number): Promise<number> {
  const join = await db.deleteFrom('join_tokens').where('expires_ms', '<', before_ms).executeTakeFirst();
  const revoked = await db.deleteFrom('tokens').where('revoked_ms', '<', before_ms).executeTakeFirst();
  const expired = await db.deleteFrom('tokens').where('expires_ms', '<', before_ms).executeTakeFirst();
  return Number(join.numDeletedRows + revoked.numDeletedRows + expired.numDeletedRows);
}

import type { Kysely, Selectable } from 'kysely';
import * as v from 'valibot';
import { batchesOf } from '../store/batches.ts';
import type { RolloutHostsTable, RolloutState, RolloutsTable, Tables } from '../store/tables.ts';
import type { Rollout, RolloutCause, RolloutHost, RolloutPlan } from './model.ts';
import type { PlannedHost } from './plan.ts';

/** Rollouts in the store. */

/** Those that are not over; there is one at most, but for the moment in which another takes its place. */
export const OPEN: readonly RolloutState[] = ['running', 'frozen', 'paused'];
const LATEST = 'rollout.latest';

/** Somebody else has begun a rollout meanwhile. */
export class Conflict extends Error {
  override readonly name = 'Conflict';
}

export interface NewRollout {
  readonly revision: string;
  readonly sequence: number;
  readonly startedBy: string;
  readonly cause: RolloutCause;
  readonly plan: RolloutPlan;
  readonly hosts: readonly PlannedHost[];
  readonly now_ms: number;
}

/**
 * Begins a rollout in place of every other; within a transaction. `latest` is the newest rollout that the caller knows.
 * Throws `Conflict` when there is a newer one.
 */
export async function insertRollout(db: Kysely<Tables>, rollout: NewRollout, latest: number): Promise<number> {
  const { revision, sequence, startedBy, cause, plan, hosts, now_ms } = rollout;
  await db
    .updateTable('rollouts')
    .set((set) => ({
      state: 'superseded' as const,
      why: `by revision ${revision.slice(0, 12)}`,
      version: set('version', '+', 1),
      updated_ms: now_ms,
      ended_ms: now_ms,
    }))
    .where('state', 'in', OPEN)
    .execute();
  const { id } = await db
    .insertInto('rollouts')
    .values({
      revision,
      sequence,
      state: 'running',
      version: 1,
      started_ms: now_ms,
      updated_ms: now_ms,
      ended_ms: null,
      why: null,
      started_by: startedBy,
      cause,
      plan: JSON.stringify(plan),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await claimLatest(db, latest, id);
  for (const batch of batchesOf(hosts)) {
    const rows = batch.map(({ host, group, wave, etag, previous }) => ({
      rollout: id,
      host,
      group_name: group,
      wave,
      etag,
      previous,
      state: 'waiting' as const,
      since_ms: now_ms,
      why: null,
      version: 1,
    }));
    await db.insertInto('rollout_hosts').values(rows).execute();
  }
  return id;
}

/** Two controllers that begin a rollout at the same time: the first to get here goes on, the other finds another value. */
async function claimLatest(db: Kysely<Tables>, before: number, id: number): Promise<void> {
  await db
    .insertInto('settings')
    .values({ name: LATEST, value: '0' })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const { numUpdatedRows } = await db
    .updateTable('settings')
    .set({ value: String(id) })
    .where('name', '=', LATEST)
    .where('value', '=', String(before))
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new Conflict('another rollout has begun meanwhile');
}

export async function latestId(db: Kysely<Tables>): Promise<number> {
  const row = await db.selectFrom('settings').select('value').where('name', '=', LATEST).executeTakeFirst();
  return Number(row?.value ?? 0);
}

export async function loadRollout(db: Kysely<Tables>, id: number): Promise<Rollout | undefined> {
  const row = await db.selectFrom('rollouts').selectAll().where('id', '=', id).executeTakeFirst();
  return row && rolloutOf(row);
}

/** The newest first. */
export async function listRollouts(
  db: Kysely<Tables>,
  { limit, revision, before }: { readonly limit: number; readonly revision?: string; readonly before?: number },
): Promise<readonly Rollout[]> {
  let query = db.selectFrom('rollouts').selectAll().orderBy('id', 'desc').limit(limit);
  if (revision !== undefined) query = query.where('revision', '=', revision);
  if (before !== undefined) query = query.where('id', '<', before);
  return (await query.execute()).map(rolloutOf);
}

/** All of them, or those that have changed after a version of the rollout. */
export async function loadHosts(db: Kysely<Tables>, rollout: number, after = 0): Promise<readonly RolloutHost[]> {
  const query = db.selectFrom('rollout_hosts').selectAll().where('rollout', '=', rollout).where('version', '>', after);
  const rows = await query.orderBy('group_name').orderBy('wave').orderBy('host').execute();
  return rows.map(hostOf);
}

export interface RolloutUpdate {
  readonly state: RolloutState;
  readonly why: string | null;
  readonly ended_ms: number | null;
  readonly now_ms: number;
  readonly plan?: RolloutPlan;
}

/** Writes down a change; within a transaction. `false` when somebody else was faster: read it again. */
export async function updateRollout(
  db: Kysely<Tables>,
  { id, version }: Pick<Rollout, 'id' | 'version'>,
  { plan, now_ms, ...update }: RolloutUpdate,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('rollouts')
    .set({
      ...update,
      version: version + 1,
      updated_ms: now_ms,
      ...(plan === undefined ? {} : { plan: JSON.stringify(plan) }),
    })
    .where('id', '=', id)
    .where('version', '=', version)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** A row of a host that is another one with that version of its rollout. */
export type RowChange = Partial<Pick<RolloutHost, 'etag' | 'state' | 'since_ms' | 'why'>> & Pick<RolloutHost, 'host'>;

/** Hosts that become the same for the same reason are written together; within the transaction of `updateRollout`. */
export async function updateHosts(
  db: Kysely<Tables>,
  { id, version }: Pick<Rollout, 'id' | 'version'>,
  changes: readonly RowChange[],
): Promise<void> {
  const alike = new Map<string, { readonly set: object; readonly hosts: string[] }>();
  for (const { host, ...change } of changes) {
    const set = { ...change, version: version + 1 };
    const key = JSON.stringify(set);
    const entry = alike.get(key) ?? { set, hosts: [] };
    entry.hosts.push(host);
    alike.set(key, entry);
  }
  for (const { set, hosts } of alike.values()) {
    for (const batch of batchesOf(hosts.toSorted())) {
      const query = db.updateTable('rollout_hosts').set(set).where('rollout', '=', id);
      await query.where('host', 'in', batch).execute();
    }
  }
}

const text = v.string();
const names = v.array(text);
const planSchema = v.object({
  groups: v.array(
    v.object({
      name: text,
      waves: v.number(),
      hold: v.number(),
      within: v.number(),
      // Written by this program from what the schema of the language has checked.
      freeze: v.array(v.custom<RolloutPlan['groups'][number]['freeze'][number]>((one) => typeof one === 'object')),
    }),
  ),
  order: v.array(v.object({ before: names, after: names })),
  unchanged: v.number(),
  accepted: names,
  ignoresFreeze: v.boolean(),
  held: v.nullable(text),
});
const causeSchema = v.picklist(['push', 'renewal', 'rollback']);

function rolloutOf(row: Selectable<RolloutsTable>): Rollout {
  const { started_by: startedBy, plan, cause, ...rest } = row;
  return { ...rest, startedBy, cause: v.parse(causeSchema, cause), plan: v.parse(planSchema, JSON.parse(plan)) };
}

function hostOf(row: Selectable<RolloutHostsTable>): RolloutHost {
  const { host, group_name: group, wave, etag, previous, state, since_ms, why } = row;
  return { host, group, wave, etag, previous, state, since_ms, why };
}

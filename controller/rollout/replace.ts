import type { Compilation } from '../compile/compile.ts';
import { keepFound } from '../store/found.ts';
import { serveNoMore } from '../store/served-tables.ts';
import type { RolloutCause } from './model.ts';
import type { Parts } from './parts.ts';
import type { Planned } from './plan.ts';
import { insertRollout } from './rows.ts';

export interface Replacement {
  readonly revision: string;
  readonly sequence: number;
  readonly by: string;
  readonly cause: RolloutCause;
  readonly planned: Planned;
  /** Of the revision that is pushed: hosts that it changes nothing for have it at once. */
  readonly compilation?: Compilation;
  /** Hosts that the desired state does not name any more. */
  readonly removed: readonly string[];
}

/**
 * Puts a new rollout in the place of the newest that this process knows, and takes its first steps. Resolves with its id;
 * throws `Conflict` when there is a newer one.
 */
export async function replaceRollout(parts: Parts, replacement: Replacement): Promise<number> {
  const { store, serving, known, waiting, now_ms, changed } = parts;
  const { revision, sequence, by, cause, planned, compilation, removed } = replacement;
  const { latest } = known;
  const begun = { revision, sequence, startedBy: by, cause, ...planned, now_ms: now_ms() };
  const { id, others } = await store.db.transaction().execute(async (db) => {
    const rollout = await insertRollout(db, begun, latest);
    await serveNoMore(db, removed);
    if (compilation === undefined) return { id: rollout, others: 0n };
    await keepFound(db, compilation);
    const { pending } = compilation;
    // Hosts for which the revision means the same have it with that.
    let query = db.updateTable('served').set({ revision }).where('revision', '!=', revision);
    if (pending.size > 0) query = query.where('host', 'not in', [...pending.keys()]);
    const { numUpdatedRows } = await query
      .where('host', 'not in', db.selectFrom('rollout_hosts').select('host').where('rollout', '=', rollout))
      .executeTakeFirst();
    return { id: rollout, others: numUpdatedRows };
  });
  if (removed.length > 0 || others > 0n) await serving.renew();
  await changed();
  waiting.tell();
  return id;
}

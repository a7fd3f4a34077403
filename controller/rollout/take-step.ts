import { give } from './give.ts';
import type { Current } from './known.ts';
import { isOver, type Rollout } from './model.ts';
import type { Parts } from './parts.ts';
import { updateHosts, updateRollout } from './rows.ts';
import type { Step } from './step.ts';

/**
 * Writes a step down, then serves the hosts that it offers the revision, then tells. Where somebody else was faster, reads
 * what they did, and resolves with `false`.
 */
export async function takeStep(
  { store, serving, known, followers, waiting, log, onState }: Omit<Parts, 'changed'>,
  { current, next, now_ms }: { readonly current: Current; readonly next: Step; readonly now_ms: number },
): Promise<boolean> {
  const { rollout, hosts } = current;
  const { state, why } = next;
  const ended_ms = isOver(state) ? now_ms : null;
  const changes = next.hosts.map((change) =>
    hosts.get(change.host)?.state === change.state ? change : { ...change, since_ms: now_ms },
  );
  const offered = changes.flatMap((change) => {
    const row = hosts.get(change.host);
    return row !== undefined && row.state === 'waiting' && change.state === 'offered' ? [row] : [];
  });
  const written = await store.db.transaction().execute(async (db) => {
    if (!(await updateRollout(db, rollout, { state, why, ended_ms, now_ms }))) return false;
    await updateHosts(db, rollout, changes);
    const gifts = offered.map(({ host, etag }) => ({
      host,
      etag,
      ...(rollout.cause === 'rollback' ? {} : { revision: rollout.revision }),
      after: serving.get(host)?.sequence ?? 0,
    }));
    await give({ db, sealer: store.sealer }, gifts, now_ms);
    return true;
  });
  if (!written) {
    await known.load();
    return false;
  }
  const after: Rollout = { ...rollout, state, why, version: rollout.version + 1, updated_ms: now_ms, ended_ms };
  const given = offered.map(({ host }) => host);
  known.follow({ rollout: after, hosts: changes, offered: given, now_ms });
  if (given.length > 0) await serving.renew(given);
  if (state !== rollout.state || why !== rollout.why) {
    log.info({ rollout: rollout.id, revision: rollout.revision, state, why }, 'rollout is in another state');
    onState?.(after);
    waiting.tell();
  }
  followers.tell();
  return true;
}

import { ROLLOUT_DEFAULTS } from '../../desired-state/schema/rollout.ts';
import { Problem } from '../problem.ts';
import type { Current } from './known.ts';
import { isGiven, isOver, type Rollout } from './model.ts';
import type { Parts } from './parts.ts';
import { planRollout } from './plan.ts';
import { replaceRollout } from './replace.ts';
import { type RolloutUpdate, updateRollout } from './rows.ts';
import { ATTEMPTS } from './turns.ts';

/** What operators order about the rollout that is under way. Each throws `Problem` where that is not possible now. */

export interface ResumeOrder {
  readonly by: string;
  readonly ignoreFreeze?: boolean;
}

export interface PauseOrder {
  readonly by: string;
  readonly why: string;
}

/** Goes on in spite of what has failed so far, and, if told so, of a freeze. */
export function resume(parts: Parts, { by, ignoreFreeze = false }: ResumeOrder): Promise<Rollout> {
  return order(parts, ({ rollout, hosts }) => {
    if (rollout.state === 'running') throw refused(`rollout ${rollout.id} is running already`);
    if (rollout.state === 'frozen' && !ignoreFreeze) {
      throw refused(
        `rollout ${rollout.id} is ${rollout.why ?? 'frozen'}; to overrule that, resume it during the freeze`,
      );
    }
    const failed = [...hosts.values()].filter(({ state }) => state === 'failed').map(({ host }) => host);
    parts.log.info({ rollout: rollout.id, by, accepted: failed, ignoreFreeze }, 'rollout resumed');
    return {
      state: 'running',
      why: null,
      ended_ms: null,
      plan: {
        ...rollout.plan,
        held: null,
        accepted: [...new Set([...rollout.plan.accepted, ...failed])],
        ignoresFreeze: rollout.plan.ignoresFreeze || ignoreFreeze,
      },
    };
  });
}

/** Gives nobody more the revision until it is resumed. */
export function pause(parts: Parts, { by, why }: PauseOrder): Promise<Rollout> {
  const held = `by ${by}: ${why}`;
  return order(parts, ({ rollout }) => ({
    state: 'paused',
    why: held,
    ended_ms: null,
    plan: { ...rollout.plan, held },
  }));
}

/** Ends it: who has the revision keeps it, who waits for it goes on with what it has. */
export function abort(parts: Parts, { by, why }: PauseOrder): Promise<Rollout> {
  return order(parts, ({ rollout }) => ({
    state: 'aborted',
    why: `by ${by}: ${why}`,
    ended_ms: parts.now_ms(),
    plan: rollout.plan,
  }));
}

/** Gives who was given the revision of a rollout that was aborted what it had before, all at once. */
export async function rollback(parts: Parts, aborted: Rollout, by: string): Promise<Rollout> {
  const { store, serving, known, log } = parts;
  await known.load();
  const { current } = known;
  if (current?.rollout.id !== aborted.id) throw refused('something else was pushed meanwhile: that goes on');
  const back = [...current.hosts.values()].filter(
    (row) => isGiven(row) && row.previous !== null && row.previous !== row.etag,
  );
  if (back.length === 0) return aborted;
  const planned = planRollout(
    back.map(({ host, previous, etag }) => ({
      host,
      environment: serving.get(host)?.environment ?? '',
      roles: serving.get(host)?.roles ?? [],
      etag: previous ?? '',
      served: etag,
      settings: ROLLOUT_DEFAULTS,
      alive: true,
    })),
  );
  const before = await store.db
    .selectFrom('manifests')
    .select('revision')
    .where('host', '=', back[0]?.host ?? '')
    .where('etag', '=', back[0]?.previous ?? '')
    .executeTakeFirst();
  const sequence = Math.max(serving.sequence, aborted.sequence) + 1;
  const revision = before?.revision ?? aborted.revision;
  const id = await replaceRollout(parts, { revision, sequence, by, cause: 'rollback', planned, removed: [] });
  log.warn({ rollout: id, hosts: back.length }, 'hosts get back what they had');
  return known.current?.rollout ?? aborted;
}

/** Writes an order down, decided again from how things are by then when somebody else was faster. */
async function order(
  { store, known, now_ms, changed }: Parts,
  decide: (current: Current) => Omit<RolloutUpdate, 'now_ms'>,
): Promise<Rollout> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const { current } = known;
    if (current === undefined || isOver(current.rollout.state)) throw refused('no rollout is under way');
    const update = { ...decide(current), now_ms: now_ms() };
    const done = await store.db.transaction().execute((db) => updateRollout(db, current.rollout, update));
    await changed();
    if (done && known.current !== undefined) return known.current.rollout;
  }
  throw refused('others are changing the rollout at the same time: try again');
}

function refused(detail: string): Problem {
  return new Problem({ status: 409, title: 'Not possible now', detail });
}

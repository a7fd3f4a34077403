import type { Compilation } from '../compile/compile.ts';
import type { Candidate } from '../git/ports.ts';
import { keepFound } from '../store/found.ts';
import { acceptRevision } from '../store/revisions.ts';
import { hostsToPlan, orderOf } from './hosts-to-plan.ts';
import { keepManifests } from './keep-manifests.ts';
import { keepUp } from './keep-up.ts';
import type { Rollout, RolloutCause } from './model.ts';
import type { Parts } from './parts.ts';
import { planRollout } from './plan.ts';
import { replaceRollout } from './replace.ts';

/** What became of a revision that was brought. */
export interface Begun {
  readonly rollout: Rollout;
  /** Hosts that get another manifest by it, or none any more; empty where it was on its way already. */
  readonly changed: readonly string[];
}

/**
 * Begins to bring a revision to its hosts, in place of whatever is under way. Asked again for the revision that was
 * brought last it goes on with that, unless it means something else by now, as with other secrets.
 */
export async function begin(
  parts: Parts,
  { revision, subject, by }: Candidate,
  compilation: Compilation,
): Promise<Begun> {
  const { store, serving, known, log, now_ms } = parts;
  await known.load();
  await keepUp(parts);
  const { current: last, pushed } = known;
  if (last !== undefined && pushed?.revision === revision && !isOutdated(parts, compilation)) {
    // Hosts that waited for something when it was begun may have it by now.
    await keepFound(store.db, compilation);
    return { rollout: last.rollout, changed: [] };
  }
  const cause: RolloutCause = pushed?.revision === revision ? 'renewal' : 'push';
  const hosts = hostsToPlan(parts, compilation);
  const planned = planRollout(hosts, await orderOf(parts, hosts, compilation));
  const sequence = await acceptRevision(
    store.db,
    { revision, seen_ms: now_ms(), pushedBy: by.actor, pushedFrom: by.address, subject },
    compilation.sequence,
  );
  const wanted = planned.hosts.flatMap(({ host }) => compilation.hosts.get(host) ?? []);
  await keepManifests(parts, wanted, { revision, sequence, compiledWith: compilation.sequence });
  const removed = [...serving.hosts().keys()].filter((host) => !isIn(compilation, host));
  const id = await replaceRollout(parts, { revision, sequence, by: by.actor, cause, planned, compilation, removed });
  log.info({ rollout: id, revision, cause, hosts: planned.hosts.length, removed }, 'rollout begun');
  if (known.current === undefined) throw new Error('the rollout that was begun is not there');
  const changed = [...planned.hosts.map(({ host }) => host), ...removed].sort();
  return { rollout: known.current.rollout, changed };
}

/** Whether the revision that was brought last means something else by now for hosts that have it, or wait for it. */
function isOutdated({ known: { current: last }, serving }: Parts, compilation: Compilation): boolean {
  // What an operator has decided stands until something is pushed.
  if (last === undefined || last.rollout.cause === 'rollback' || last.rollout.state === 'aborted') return false;
  return [...compilation.hosts.values()].some(({ host, etag }) => {
    const target = last.hosts.get(host)?.etag ?? serving.get(host)?.etag;
    return target !== etag;
  });
}

function isIn({ hosts, pending }: Compilation, host: string): boolean {
  return hosts.has(host) || pending.has(host);
}

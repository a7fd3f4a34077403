import { fromWire } from '../../desired-state/schema/secret.ts';
import type { Compilation } from '../compile/compile.ts';
import { credentialsOf } from '../compile/credentials.ts';
import type { OrderRule } from './model.ts';
import { orderRules } from './order.ts';
import type { Parts } from './parts.ts';
import type { HostToPlan } from './plan.ts';
import { SILENT_MS } from './step.ts';

/** The hosts of a compilation with what has to be known of each to plan its turn. */
export function hostsToPlan(
  { serving, records, known: { current }, now_ms }: Pick<Parts, 'serving' | 'records' | 'known' | 'now_ms'>,
  compilation: Compilation,
): readonly HostToPlan[] {
  const unfinished = current !== undefined && current.rollout.state !== 'done' ? current.hosts : undefined;
  return [...compilation.hosts.values()].map(({ host, environment, roles, etag, rollout }) => {
    const served = serving.get(host)?.etag;
    const state = unfinished?.get(host)?.state;
    const before = state === 'failed' || state === 'offered' ? 'broken' : state === 'converged' ? 'touched' : undefined;
    const alive = now_ms() - (records.get(host)?.lastSeen_ms ?? 0) <= SILENT_MS;
    return {
      host,
      environment,
      roles,
      etag,
      settings: rollout,
      alive,
      ...(served === undefined ? {} : { served }),
      ...(before === undefined ? {} : { before }),
    };
  });
}

/** Who has to wait for whom, because a password changes. */
export async function orderOf(
  { serving }: Pick<Parts, 'serving'>,
  hosts: readonly HostToPlan[],
  compilation: Compilation,
): Promise<readonly OrderRule[]> {
  const changed = hosts.filter(({ etag, served }) => etag !== served);
  const credentials = [];
  for (const { host } of changed) {
    const { sets = [], uses = [] } = compilation.hosts.get(host)?.credentials ?? {};
    if (sets.length === 0 && uses.length === 0) continue;
    const before = sets.length === 0 ? [] : await setBefore(serving, host);
    credentials.push({ host, setsNew: sets.filter((secret) => !before.includes(secret)), uses });
  }
  return orderRules(credentials);
}

/** The passwords that the host's present manifest sets. */
async function setBefore(serving: Parts['serving'], host: string): Promise<readonly string[]> {
  const served = serving.get(host);
  if (served === undefined) return [];
  const manifest: unknown = fromWire(JSON.parse(await serving.text(served)));
  const resources =
    manifest !== null && typeof manifest === 'object' && 'resources' in manifest ? manifest.resources : [];
  return credentialsOf(Array.isArray(resources) ? resources : []).sets;
}

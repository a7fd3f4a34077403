import { reveal } from '../../../desired-state/schema/secret.ts';
import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { applyHba, restoreHba } from './apply-hba.ts';
import { applySettings } from './apply-settings.ts';
import { diff } from './diff.ts';
import { generateLocale } from './locales.ts';
import { observe } from './observe.ts';
import { waitUntilReady } from './readiness.ts';
import type { Change, Spec } from './state.ts';

const CREATE_CLUSTER_TIMEOUT_MS = 180_000;

export async function apply(change: Change, host: Host): Promise<void> {
  switch (change.type) {
    case 'refused':
      throw change.stalled ? new Stalled(change.message) : new Error(change.message);
    case 'createCluster':
      await host.run({
        argv: ['pg_createcluster', change.version, change.name, '--start'],
        timeout_ms: CREATE_CLUSTER_TIMEOUT_MS,
      });
      return;
    case 'settings':
      return applySettings(change, host);
    case 'hba':
      return applyHba(change, host);
    case 'reload':
      return host.postgres.reload(change.cluster);
    case 'start':
      return start(change, host);
    case 'continue':
      return goOn(change.spec, host);
    case 'locale':
      return generateLocale(change.locale, host);
    case 'password':
      return host.postgres.setPassword(
        change.cluster,
        change.role,
        change.password === null ? null : reveal(change.password),
      );
    case 'sql':
      return host.postgres.execute(change.cluster, change.database, change.statements);
  }
}

async function start({ cluster, hba, starting }: Extract<Change, { readonly type: 'start' }>, host: Host) {
  try {
    if (!starting) await host.systemd.resetFailed(cluster.unit);
    await host.systemd.start(cluster.unit);
    await waitUntilReady(cluster, host);
  } catch (error) {
    if (hba.previous !== undefined) await restoreHba(hba.path, hba.previous, host);
    throw error;
  }
}

/** A cluster that was just made needs one look for its databases and one for what is in them. */
const MAX_LOOKS = 3;

/** A server that is down again is an error and not a loop. */
async function goOn(spec: Spec, host: Host): Promise<void> {
  for (let look = 1; look <= MAX_LOOKS; look += 1) {
    const state = await observe(spec, host);
    if (state.found !== 'one') throw new Error(`the cluster went away: ${state.why}`);
    if (state.server.state !== 'ready') {
      throw new Error(`PostgreSQL does not answer (${state.server.reason}): see its log under /var/log/postgresql`);
    }
    const changes = diff(spec, state);
    for (const change of changes) if (change.type !== 'continue') await apply(change, host);
    if (!changes.some(({ type }) => type === 'continue')) return;
  }
}

import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { PREVIOUS_SUFFIX } from './observe.ts';
import { until } from './readiness.ts';
import type { Change } from './state.ts';

const LOAD_TIMEOUT_MS = 5_000;
const MODE = 0o640;

/**
 * The server can only check the file in its place, so what stood there waits beside it until the server has read the new
 * one: a run that is killed in between leaves it for the next.
 */
export async function applyHba(change: Extract<Change, { readonly type: 'hba' }>, host: Host): Promise<void> {
  const { cluster, path, before, previous = before, after, running } = change;
  const beside = `${path}${PREVIOUS_SUFFIX}`;
  const ownership = await hbaOwnership(host);
  if (previous !== undefined && change.previous === undefined) await host.files.write(beside, previous, ownership);
  await host.files.write(path, after, ownership);
  // A server that is down says when it starts; the copy stays until then.
  if (!running) return;
  const rows = await host.postgres.query(
    cluster,
    'postgres',
    'select line_number, error from pg_hba_file_rules where error is not null order by line_number',
  );
  const [first] = rows ?? [];
  if (first !== undefined) {
    if (previous !== undefined) await restoreHba(path, previous, host);
    throw new Stalled(
      `PostgreSQL refuses the declared pg_hba.conf, line ${String(first['line_number'])}: ${String(first['error'])}. The file that stood there is back`,
    );
  }
  const written = await host.files.stat(path);
  await host.postgres.reload(cluster);
  await until(LOAD_TIMEOUT_MS, async () => {
    const [loaded] =
      (await host.postgres.query(
        cluster,
        'postgres',
        'select extract(epoch from pg_conf_load_time())::float8 * 1000 as ms',
        [],
        { connectedAfter_ms: Date.now() },
      )) ?? [];
    const isLoaded = Number(loaded?.['ms']) >= (written?.ctime_ms ?? 0);
    return isLoaded ? undefined : `the server has not read ${path} again`;
  });
  await host.files.remove(beside);
}

export async function restoreHba(path: string, previous: string, host: Host): Promise<void> {
  await host.files.write(path, previous, await hbaOwnership(host));
  await host.files.remove(`${path}${PREVIOUS_SUFFIX}`);
}

async function hbaOwnership(host: Host) {
  const owner = await host.accounts.user('postgres');
  if (owner === undefined) throw new Error('there is no user postgres on this host');
  return { uid: owner.uid, gid: owner.gid, mode: MODE };
}

import type { Host } from '../../host/host.ts';
import type { FileEdit } from './config-edit.ts';
import { waitUntilReady } from './readiness.ts';
import type { Change } from './state.ts';
import { tryConfiguration } from './trial.ts';

type SettingsChange = Extract<Change, { readonly type: 'settings' }>;

const RESTART_TIMEOUT_MS = 180_000;

/** The whole configuration is tried aside first; a server that still does not come up gets its old files back. */
export async function applySettings(change: SettingsChange, host: Host): Promise<void> {
  await tryConfiguration(change, host);
  for (const { path, after } of change.edits) await writeKeeping(path, after, host);
  if (change.action === 'reload') await host.postgres.reload(change.cluster);
  if (change.action !== 'restart') return;
  try {
    await restart(change, host);
  } catch (error) {
    if (change.edits.length === 0) throw error;
    for (const { path, before } of change.edits) if (before !== undefined) await writeKeeping(path, before, host);
    await restart(change, host);
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `PostgreSQL did not start with ${change.names.join(', ')}; the old configuration is back and runs: ${reason}`,
      { cause: error },
    );
  }
}

async function restart({ cluster }: SettingsChange, host: Host): Promise<void> {
  await host.systemd.resetFailed(cluster.unit);
  await host.systemd.restart(cluster.unit, { timeout_ms: RESTART_TIMEOUT_MS });
  await waitUntilReady(cluster, host);
}

async function writeKeeping(path: FileEdit['path'], text: string, host: Host): Promise<void> {
  const real = (await host.files.realPath(path)) ?? path;
  const stat = await host.files.stat(real);
  if (stat === undefined) throw new Error(`${path} went away`);
  await host.files.write(real, text, { uid: stat.uid, gid: stat.gid, mode: stat.mode });
}

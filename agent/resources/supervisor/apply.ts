import { reveal } from '../../../desired-state/schema/secret.ts';
import type { Host } from '../../host/host.ts';
import { BrokenConfiguration } from '../../host/supervisor/port.ts';
import { Stalled } from '../../resource.ts';
import { startDaemon } from '../shared/supervisor-daemon.ts';
import type { DesiredGroup } from './desired.ts';
import type { Change, Switch } from './diff.ts';

/** For a group that nothing declares any more: how long its programs may take to stop. */
const UNKNOWN_STOP_MS = 90_000;

export async function apply(change: Change, host: Host): Promise<void> {
  switch (change.kind) {
    case 'switch':
      return applySwitch(change, host);
    case 'daemon':
      return runDaemon(change.desired, host);
    case 'start':
      return host.supervisor.startGroup(change.group.name, { timeout_ms: change.group.start_ms });
    case 'stop':
      return host.supervisor.stopGroup(change.group.name, { timeout_ms: change.group.stop_ms });
    case 'broken':
      throw new Stalled(
        `supervisord cannot read its configuration: ${change.message}. It keeps what runs, but would not start again. ` +
          'Mend or remove that file; with "purge: true" files that the manifest does not declare are removed.',
      );
  }
}

async function runDaemon(desired: readonly DesiredGroup[], host: Host): Promise<void> {
  await startDaemon(host);
  for (const group of desired) {
    if (group.ensure === 'running') await host.supervisor.startGroup(group.name, { timeout_ms: group.start_ms });
    else await host.supervisor.stopGroup(group.name, { timeout_ms: group.stop_ms });
  }
}

async function applySwitch(change: Switch, host: Host): Promise<void> {
  await checkWhole(change, host);
  const before = await host.supervisor.processes();
  const ran = new Set(before?.filter((process) => process.state === 'RUNNING').map((process) => process.group));
  await writeFiles(change, host);
  // Without a daemon the files are all there is to do; the change that starts it comes next.
  if (before === undefined) return;
  try {
    await switchGroups(change, host);
  } catch (error) {
    const lost = change.groups.filter((group) => ran.has(group));
    if (lost.length === 0) throw error;
    await restore(change, host, lost);
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the previous configuration is back and runs, because ${reason}`, { cause: error });
  }
}

async function checkWhole(change: Switch, host: Host): Promise<void> {
  if (change.writes.length + change.removals.length === 0) return;
  const overlay = new Map<string, string | undefined>([
    ...change.writes.map((write) => [write.path, reveal(write.text)] as const),
    ...change.removals.map((removal) => [removal.path, undefined] as const),
  ]);
  try {
    await host.supervisor.checkFiles(overlay);
  } catch (error) {
    if (!(error instanceof BrokenConfiguration)) throw error;
    throw new Stalled(`supervisor refuses the new configuration, nothing was changed: ${error.message}`, {
      cause: error,
    });
  }
}

async function writeFiles(change: Switch, host: Host): Promise<void> {
  for (const write of change.writes) {
    await host.files.write(write.path, reveal(write.text), { uid: 0, gid: 0, mode: write.mode });
  }
  for (const removal of change.removals) await host.files.remove(removal.path);
}

/** Each group stops and starts once. Those that go are stopped first, so that a renamed program does not run twice. */
async function switchGroups(change: Switch, host: Host): Promise<void> {
  const plan = new Map(change.desired.map((group) => [group.name, group]));
  const configured = await host.supervisor.configChanges();
  const gone = new Set(configured?.removed);
  const differs = new Set([...(configured?.added ?? []), ...(configured?.changed ?? []), ...gone]);
  // A program whose group went is a group of its own again: our own groups count, named in the plan or not.
  const concerned = [...differs].filter((name) => change.groups.includes(name) || change.ours.includes(name));
  for (const name of concerned) {
    await host.supervisor.stopGroup(name, { timeout_ms: plan.get(name)?.stop_ms ?? UNKNOWN_STOP_MS });
    await host.supervisor.removeGroup(name);
  }
  for (const name of concerned.filter((group) => !gone.has(group))) {
    await host.supervisor.addGroup(name);
    const group = plan.get(name);
    if (group?.ensure === 'running') await host.supervisor.startGroup(name, { timeout_ms: group.start_ms });
    else await host.supervisor.stopGroup(name, { timeout_ms: group?.stop_ms ?? UNKNOWN_STOP_MS });
  }
}

async function restore(change: Switch, host: Host, groups: readonly string[]): Promise<void> {
  for (const { path, before } of [...change.writes, ...change.removals]) {
    if (before === undefined) await host.files.remove(path);
    else await host.files.write(path, before.text, before);
  }
  const plan = new Map(change.desired.map((group) => [group.name, group]));
  const configured = await host.supervisor.configChanges();
  const stale = new Set([...(configured?.added ?? []), ...(configured?.changed ?? []), ...(configured?.removed ?? [])]);
  for (const name of change.groups.filter((group) => stale.has(group))) {
    await host.supervisor.stopGroup(name, { timeout_ms: plan.get(name)?.stop_ms ?? UNKNOWN_STOP_MS });
    await host.supervisor.removeGroup(name);
    if (configured?.removed.includes(name) !== true) await host.supervisor.addGroup(name);
  }
  for (const name of groups) {
    await host.supervisor.startGroup(name, { timeout_ms: plan.get(name)?.start_ms ?? UNKNOWN_STOP_MS });
  }
}

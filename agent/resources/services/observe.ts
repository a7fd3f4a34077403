import { dirname, join } from 'node:path';
import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import type { HostReader } from '../../host/host.ts';
import type { UnitStatus } from '../../host/systemd/port.ts';
import { changedSince } from '../shared/changed-since.ts';

export type ServiceSpec = SpecOf['services'];

export interface ServiceState {
  readonly unit: UnitStatus;
  /** Files that changed after the process was started, among `restart_when_newer` and the unit's own files. */
  readonly newerThanStart: readonly string[];
  /** Files that changed after it was last started or reloaded, among `reload_when_newer`. */
  readonly newerThanReload: readonly string[];
}

export async function observe(spec: ServiceSpec, host: HostReader): Promise<ServiceState> {
  const said = await host.systemd.unit(spec.name);
  const unit = { ...said, needsDaemonReload: said.needsDaemonReload || (await hasUnreadDropIns(said, host)) };
  if (!isRunning(unit)) return { unit, newerThanStart: [], newerThanReload: [] };
  const started_ms = unit.mainPid > 0 ? unit.mainStarted_ms : unit.activeSince_ms;
  // The link of a mask is a file of its own and no change of what should run.
  const masked = unit.load === 'masked' || unit.unitFile.startsWith('masked');
  const ownFiles = spec.restart_when_unit_changes && !masked ? await changedUnitFiles(unit, host, started_ms) : [];
  const named = await changedSince(host.files, spec.restart_when_newer, started_ms);
  // A reload changes the unit's state for a moment, so that the time of the last change says when it ended.
  const reloaded_ms = Math.max(started_ms, unit.stateChanged_ms);
  const forReload = await changedSince(host.files, spec.reload_when_newer, reloaded_ms);
  return { unit, newerThanStart: [...named, ...ownFiles], newerThanReload: forReload };
}

export function isRunning(unit: UnitStatus): boolean {
  return unit.active === 'active' || unit.active === 'reloading' || unit.active === 'refreshing';
}

/** systemd does not say of a folder of drop-ins that it was made since its last daemon-reload. */
async function hasUnreadDropIns(unit: UnitStatus, host: HostReader): Promise<boolean> {
  if (unit.load !== 'loaded') return false;
  const folder = dropInFolder(unit);
  const names = (await host.files.list(folder)) ?? [];
  return names.some((name) => name.endsWith('.conf') && !unit.files.includes(join(folder, name)));
}

function dropInFolder(unit: UnitStatus): string {
  return `/etc/systemd/system/${unit.unit}.d`;
}

/** Folders of drop-ins count too, and files that are gone: a drop-in that was removed also changed what should run. */
async function changedUnitFiles(unit: UnitStatus, host: HostReader, since_ms: number): Promise<readonly string[]> {
  const own = unit.files.filter((file) => file.startsWith('/etc/systemd/system/'));
  const gone = await Promise.all(own.map(async (file) => ((await host.files.stat(file)) === undefined ? file : '')));
  const folders = new Set([
    dropInFolder(unit),
    ...own.map((file) => dirname(file)).filter((path) => path.endsWith('.d')),
  ]);
  const changed = await changedSince(host.files, [...own, ...folders], since_ms);
  return [...changed, ...gone.filter((file) => file !== '')];
}

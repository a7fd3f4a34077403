import type { SystemdBus } from './bus.ts';
import { numberOr0, textOrEmpty } from './dbus/marshal.ts';
import { typeInterface, unitName, unitPath } from './names.ts';
import type { UnitStatus } from './port.ts';
import type { UnitFileStates } from './unit-file-states.ts';

const UNIT = 'org.freedesktop.systemd1.Unit';
const WANTED = new Set(
  'FragmentPath DropInPaths Id LoadState ActiveState SubState NeedDaemonReload ActiveEnterTimestamp StateChangeTimestamp'.split(
    ' ',
  ),
);

/**
 * Two small exchanges with PID 1: all properties of the unit by one call, because a unit that is not in use is loaded
 * from its file for each call anew; then, where a process ran, three of its own.
 */
export async function readUnit(bus: SystemdBus, states: UnitFileStates, name: string): Promise<UnitStatus> {
  const unit = unitName(name);
  const path = unitPath(unit);
  const all = await bus.properties(path, UNIT, WANTED);
  const text = (property: string): string => textOrEmpty(all.get(property));
  const dropIns = all.get('DropInPaths');
  const files = [text('FragmentPath'), ...(Array.isArray(dropIns) ? dropIns.map(textOrEmpty) : [])].filter(
    (file) => file !== '',
  );
  const realName = text('Id') || unit;
  const active = text('ActiveState');
  const [unitFile, ofProcess] = await Promise.all([
    states.of(bus, unit, files),
    unit.endsWith('.service') && active !== 'inactive' ? readProcess(bus, path, unit) : NO_PROCESS,
  ]);
  return {
    unit: realName,
    load: text('LoadState'),
    active,
    sub: text('SubState'),
    unitFile: unitFile === 'alias' && realName !== unit ? await states.of(bus, realName, files) : unitFile,
    needsDaemonReload: all.get('NeedDaemonReload') === true,
    activeSince_ms: numberOr0(all.get('ActiveEnterTimestamp')) / 1000,
    stateChanged_ms: numberOr0(all.get('StateChangeTimestamp')) / 1000,
    files,
    ...ofProcess,
  };
}

type OfProcess = Pick<UnitStatus, 'mainPid' | 'mainStarted_ms' | 'result'>;

const NO_PROCESS: OfProcess = { mainPid: 0, mainStarted_ms: 0, result: '' };

async function readProcess(bus: SystemdBus, path: string, unit: string): Promise<OfProcess> {
  const owner = typeInterface(unit);
  const [mainPid, mainStarted, result] = await Promise.all(
    ['MainPID', 'ExecMainStartTimestamp', 'Result'].map((property) => bus.property(path, owner, property)),
  );
  return {
    mainPid: numberOr0(mainPid),
    mainStarted_ms: numberOr0(mainStarted) / 1000,
    result: textOrEmpty(result),
  };
}

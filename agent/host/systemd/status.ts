import type { SystemdBus } from './bus.ts';
import { DBusError } from './dbus/connection.ts';
import type { DBusValue } from './dbus/marshal.ts';
import { typeInterface, unitName, unitPath } from './names.ts';
import type { UnitStatus } from './port.ts';

const UNIT = 'org.freedesktop.systemd1.Unit';

/** Ten small questions, written at once: about one round trip, and a tenth of the bytes of `GetAll`. */
export async function readUnit(bus: SystemdBus, name: string): Promise<UnitStatus> {
  const unit = unitName(name);
  const path = unitPath(unit);
  const ofUnit = (property: string): Promise<DBusValue | undefined> => bus.property(path, UNIT, property);
  const ofService = (property: string): Promise<DBusValue | undefined> =>
    unit.endsWith('.service') ? bus.property(path, typeInterface(unit), property) : Promise.resolve(undefined);
  const [id, load, active, sub, reload, since, changed, fragment, dropIns, mainPid, mainStarted, result, unitFile] =
    await Promise.all([
      ofUnit('Id'),
      ofUnit('LoadState'),
      ofUnit('ActiveState'),
      ofUnit('SubState'),
      ofUnit('NeedDaemonReload'),
      ofUnit('ActiveEnterTimestamp'),
      ofUnit('StateChangeTimestamp'),
      ofUnit('FragmentPath'),
      ofUnit('DropInPaths'),
      ofService('MainPID'),
      ofService('ExecMainStartTimestamp'),
      ofService('Result'),
      unitFileState(bus, unit),
    ]);
  const realName = text(id) || unit;
  return {
    unit: realName,
    load: text(load),
    active: text(active),
    sub: text(sub),
    unitFile: unitFile === 'alias' && realName !== unit ? await unitFileState(bus, realName) : unitFile,
    needsDaemonReload: reload === true,
    mainPid: number(mainPid),
    mainStarted_ms: number(mainStarted) / 1000,
    activeSince_ms: number(since) / 1000,
    stateChanged_ms: number(changed) / 1000,
    files: [fragment, ...(Array.isArray(dropIns) ? dropIns : [])].map(text).filter((file) => file !== ''),
    result: text(result),
  };
}

/** Asked of the manager and not of the unit: the unit's own property is a memory that hand-made links do not refresh. */
async function unitFileState(bus: SystemdBus, unit: string): Promise<string> {
  try {
    const [state] = await bus.ask('GetUnitFileState', 's', [unit]);
    return text(state);
  } catch (error) {
    if (error instanceof DBusError && NO_UNIT_FILE.has(error.code)) return 'absent';
    throw error;
  }
}

const NO_UNIT_FILE = new Set([
  'org.freedesktop.DBus.Error.FileNotFound',
  'org.freedesktop.systemd1.NoSuchUnit',
  'org.freedesktop.systemd1.LoadFailed',
]);

function text(value: DBusValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function number(value: DBusValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}

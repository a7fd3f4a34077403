import type { CommandRunner } from '../commands/port.ts';
import { runCommand } from '../commands/run.ts';
import { SystemdBus } from './bus.ts';
import type { DBusValue } from './dbus/marshal.ts';
import { unitName } from './names.ts';
import type { SystemdWriter, UnitStatus } from './port.ts';
import { readUnit } from './status.ts';
import { UnitFileStates } from './unit-file-states.ts';

/** A little more than systemd's own default bound on a start (90 s), so that its word comes before ours. */
const JOB_TIMEOUT_MS = 100_000;
const JOURNAL_LINES = '15';

/** A job that systemd gave up, with the unit's own words. */
export class JobFailed extends Error {
  override readonly name = 'JobFailed';
}

/** Speaks D-Bus to PID 1 (docs/adr/0003). `close()` ends the connection; it holds no process open while idle. */
export function linuxSystemd(run: CommandRunner = runCommand): SystemdWriter & { close(): void } {
  const bus = new SystemdBus();
  const states = new UnitFileStates();

  async function job(verb: string, member: string, name: string, timeout_ms = JOB_TIMEOUT_MS): Promise<void> {
    const unit = unitName(name);
    const since_ms = Date.now();
    let result: string;
    try {
      result = await bus.runJob(member, unit, timeout_ms);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new JobFailed(`${verb} of ${unit} failed: ${why}`, { cause: error });
    }
    if (result === 'done') return;
    const status = await readUnit(bus, states, unit);
    throw new JobFailed(`${failure(verb, status, result)}${await journalEnd(run, unit, since_ms)}`);
  }

  async function editUnitFiles(member: string, signature: string, body: readonly DBusValue[]): Promise<DBusValue[]> {
    const answer = await bus.manage(member, signature, body);
    await bus.manage('Reload');
    return answer;
  }

  return {
    unit: (name) => readUnit(bus, states, name),
    async units(names) {
      const all = await Promise.all(names.map(async (name) => [name, await readUnit(bus, states, name)] as const));
      return new Map(all);
    },
    async start(name, options) {
      const { sub } = await readUnit(bus, states, unitName(name));
      // A job to start it would wait with it until systemd's own time (`RestartSec=`) is over.
      const member = sub === 'auto-restart' ? 'RestartUnit' : 'StartUnit';
      await job('start', member, name, options?.timeout_ms);
    },
    stop: (unit, options) => job('stop', 'StopUnit', unit, options?.timeout_ms),
    restart: (unit, options) => job('restart', 'RestartUnit', unit, options?.timeout_ms),
    reload: (unit, options) => job('reload', 'ReloadUnit', unit, options?.timeout_ms),
    async enable(name) {
      const unit = unitName(name);
      const [carriesInstallInfo] = await editUnitFiles('EnableUnitFiles', 'asbb', [[unit], false, false]);
      if (carriesInstallInfo === false) {
        throw new Error(`${unit} has no [Install] section: it cannot be enabled; declare "enabled: false" for it`);
      }
    },
    async disable(name) {
      // An enablement in /run (`enabled-runtime`) is a link of its own and has to go as well.
      await bus.manage('DisableUnitFiles', 'asb', [[unitName(name)], true]);
      await editUnitFiles('DisableUnitFiles', 'asb', [[unitName(name)], false]);
    },
    async mask(name) {
      await editUnitFiles('MaskUnitFiles', 'asbb', [[unitName(name)], false, false]);
    },
    async unmask(name) {
      await bus.manage('UnmaskUnitFiles', 'asb', [[unitName(name)], true]);
      await editUnitFiles('UnmaskUnitFiles', 'asb', [[unitName(name)], false]);
    },
    async daemonReload() {
      await bus.manage('Reload');
    },
    async resetFailed(name) {
      await bus.manage('ResetFailedUnit', 's', [unitName(name)]);
    },
    close: () => bus.close(),
  };
}

function failure(verb: string, status: UnitStatus, jobResult: string): string {
  const outcome = status.result === '' || status.result === 'success' ? jobResult : status.result;
  return `${verb} of ${status.unit} failed: ${outcome} (it is ${status.active}/${status.sub})`;
}

/** The unit's last lines, so that the reason is in the error itself. Only after a failure: it starts a process. */
async function journalEnd(run: CommandRunner, unit: string, since_ms: number): Promise<string> {
  const since = `--since=@${Math.floor(since_ms / 1000)}`;
  const options = ['--no-pager', '--quiet', '--output=cat', '--lines', JOURNAL_LINES, since];
  try {
    const { stdout } = await run({ argv: ['journalctl', ...options, `--unit=${unit}`], timeout_ms: 10_000 });
    return stdout.trim() === '' ? '' : `\n${stdout.trimEnd()}`;
  } catch {
    return `\n(its journal could not be read; see: journalctl -u ${unit})`;
  }
}

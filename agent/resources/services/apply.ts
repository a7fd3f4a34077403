import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from '../../host/host.ts';
import type { ServiceChange } from './diff.ts';
import { isRunning } from './observe.ts';

/** How long a unit has to stay up to count as started: systemd calls a simple service started as soon as it is forked. */
const SETTLE_MS = 300;
const SETTLE_STEP_MS = 50;

export async function apply(change: ServiceChange, host: Host): Promise<void> {
  const { name } = change;
  const options = { timeout_ms: change.timeout_ms };
  switch (change.action) {
    case 'unmask':
      return host.systemd.unmask(name);
    case 'daemon-reload':
      return host.systemd.daemonReload();
    case 'enable':
      await refuseAbsent(name, host);
      return host.systemd.enable(name);
    case 'disable':
      return host.systemd.disable(name);
    case 'start':
      await refuseAbsent(name, host);
      // Also clears the limit on starts, with which systemd refuses a unit that failed too often.
      if ((await host.systemd.unit(name)).active === 'failed') await host.systemd.resetFailed(name);
      await host.systemd.start(name, options);
      return stayUp(name, host);
    case 'restart':
      await host.systemd.restart(name, options);
      return stayUp(name, host);
    case 'reload':
      return host.systemd.reload(name, options);
    case 'stop':
      return host.systemd.stop(name, options);
    case 'mask':
      return host.systemd.mask(name);
  }
}

/** An ordinary error and not `Stalled`: a package or a file of a later run may bring the unit. */
async function refuseAbsent(name: string, host: Host): Promise<void> {
  const { load, unit } = await host.systemd.unit(name);
  if (load !== 'not-found') return;
  throw new Error(
    `there is no unit ${unit} on this host: declare the package that brings it under "packages", or its unit file under "files"`,
  );
}

async function stayUp(name: string, host: Host): Promise<void> {
  for (let waited_ms = 0; waited_ms < SETTLE_MS; waited_ms += SETTLE_STEP_MS) {
    await delay(SETTLE_STEP_MS);
    const unit = await host.systemd.unit(name);
    if (isRunning(unit)) continue;
    throw new Error(
      `${unit.unit} started and ended at once: it is ${unit.active}/${unit.sub}, ${unit.result}; see: journalctl -u ${unit.unit}`,
    );
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../../host/host.ts';

const UNIT = 'supervisor.service';
const ANSWER_BOUND_MS = 20_000;

/** Gets supervisord to answer: a stopped service is started; one that runs without its socket can only be restarted. */
export async function startDaemon(host: Host): Promise<void> {
  if ((await host.supervisor.processes()) !== undefined) return;
  const unit = await host.systemd.unit(UNIT);
  if (unit.load === 'not-found') {
    throw new Error(`there is no ${UNIT}: declare the package, for example "packages: { supervisor: present }"`);
  }
  if (unit.active === 'active') await host.systemd.restart(UNIT);
  else {
    if (unit.active === 'failed') await host.systemd.resetFailed(UNIT);
    await host.systemd.start(UNIT);
  }
  const deadline_ms = performance.now() + ANSWER_BOUND_MS;
  while ((await host.supervisor.processes()) === undefined) {
    if (performance.now() > deadline_ms) {
      throw new Error(
        `supervisord runs but did not answer on its socket within ${ANSWER_BOUND_MS / 1000} s: see "journalctl -u supervisor" and /var/log/supervisor/supervisord.log`,
      );
    }
    await sleep(50);
  }
}

import type { ControllerStatus } from './controller-api.ts';
import { MANAGED } from './settings.ts';

/** What the controller knows of the local hosts, one line each. */
export function hostLines({ hosts }: ControllerStatus): string {
  const rows = MANAGED.map(({ host }) => {
    const found = hosts.find((one) => one.host === host);
    if (found === undefined) return [host, 'unknown', 'the desired state has no such host'];
    const { state, runningRevision = 'none', resources = {}, why } = found;
    const counts = Object.entries(resources).map(([status, amount]) => `${amount} ${status}`);
    return [host, state, runningRevision.slice(0, 12), counts.join(', '), ...(why === undefined ? [] : [why])];
  });
  return rows.map((row) => `  ${row.join('  ')}\n`).join('');
}

/** Removes containers and networks that test processes left behind. */
import { spawnSync } from 'node:child_process';
import { docker, tryDocker } from './docker.ts';
import { isAlive, OWN_TOKEN, OWNER_LABEL } from './owner.ts';

let swept: Promise<void> | undefined;

/** Sweeps once per process, and arranges that what this process still owns at its exit goes too. */
export function sweepOnce(): Promise<void> {
  if (swept === undefined) {
    process.once('exit', removeOwn);
    swept = sweepLeftovers();
  }
  return swept;
}

/** Removes every labelled container and network whose owner no longer runs. */
export async function sweepLeftovers(): Promise<void> {
  const containers = await leftovers(['ps', '--all']);
  // Two sweepers may meet at one container: that another removed it first is as good.
  if (containers.length > 0) await tryDocker(['rm', '--force', '--volumes', ...containers]);
  for (const network of await leftovers(['network', 'ls'])) await tryDocker(['network', 'rm', network]);
}

async function leftovers(list: readonly string[]): Promise<readonly string[]> {
  const format = `{{.ID}} {{.Label "${OWNER_LABEL}"}}`;
  const lines = await docker([...list, '--filter', `label=${OWNER_LABEL}`, '--format', format]);
  return lines
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap(([id, owner]) => (id !== undefined && owner !== undefined && !isAlive(owner) ? [id] : []));
}

/** At exit nothing asynchronous runs any more. A process that is killed leaves its own to the next sweep. */
function removeOwn(): void {
  for (const [list, remove] of [
    [
      ['ps', '--all'],
      ['rm', '--force', '--volumes'],
    ],
    [
      ['network', 'ls'],
      ['network', 'rm'],
    ],
  ] as const) {
    const found = spawnSync('docker', [...list, '--quiet', '--filter', `label=${OWNER_LABEL}=${OWN_TOKEN}`]);
    const ids =
      found.stdout
        ?.toString()
        .split('\n')
        .filter((id) => id !== '') ?? [];
    if (ids.length > 0) spawnSync('docker', [...remove, ...ids]);
  }
}

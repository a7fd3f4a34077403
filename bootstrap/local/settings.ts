/** What a set of local hosts is called and where everything of it is. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { HostSet } from '../../test/hosts/compose.ts';

export const ROOT = join(import.meta.dirname, '../..');

/** The network that the environment `vagrant` of the desired state is written for. */
export const USUAL_SUBNET = '192.168.33';

export const CONTROLLER_PORT = 8470;

/** The hosts that are managed: their service in the compose file, and their name in the desired state. */
export const MANAGED = [
  { service: 'db', host: 'db-1' },
  { service: 'web', host: 'web-1' },
] as const;

export interface LocalSettings {
  readonly set: HostSet;
  /** Repositories, secrets, token and certificate: all that must outlive the containers. */
  readonly stateFolder: string;
  readonly controllerUrl: string;
  readonly siteUrl: string;
}

/** `HOLDFAST_PROJECT`, `HOLDFAST_SUBNET` and `HOLDFAST_STATE` make a second set beside the usual one. */
export function localSettings(env: NodeJS.ProcessEnv = process.env): LocalSettings {
  const subnet = env['HOLDFAST_SUBNET'] ?? USUAL_SUBNET;
  if (!/^\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(subnet)) {
    throw new Error(
      `HOLDFAST_SUBNET expects the first three numbers of a /24 network, such as 10.33.33; got "${subnet}"`,
    );
  }
  const stateFolder = resolve(ROOT, env['HOLDFAST_STATE'] ?? '.holdfast');
  return {
    set: {
      project: env['HOLDFAST_PROJECT'] ?? 'holdfast',
      subnet,
      services: ['controller', ...MANAGED.map(({ service }) => service)],
      overrides: [join(import.meta.dirname, 'compose.yml')],
      env: { HOLDFAST_GIT_FOLDER: join(stateFolder, 'git') },
    },
    stateFolder,
    controllerUrl: `https://${subnet}.10:${CONTROLLER_PORT}`,
    siteUrl: `https://${subnet}.15`,
  };
}

export function isUp(settings: LocalSettings): boolean {
  return existsSync(settings.stateFolder);
}

/** Puts controller and agents on their hosts by the scripts that Vagrant runs, too. What is there already stays. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Host } from '../../test/hosts/host.ts';
import type { Packages } from '../package.ts';
import { joinToken } from './controller-api.ts';
import type { Keys } from './keys.ts';
import { type LocalSettings, ROOT } from './settings.ts';

const INSTALL_TIMEOUT_MS = 300_000;
/** Readable by root alone. */
const FOLDER = '/var/lib/holdfast-bootstrap';

/** The controller as a service of its own user, and the git daemon for the application's repository. */
export async function installController(host: Host, options: { packages: Packages; keys: Keys }): Promise<void> {
  const { packages, keys } = options;
  await sendPackage(host, packages.controller, 'controller.deb');
  const here = import.meta.dirname;
  for (const file of ['controller.sh', 'controller-options', 'git-daemon.service']) await send(host, join(here, file));
  for (const file of [keys.secrets, keys.adminToken, keys.caCert, keys.caKey]) await send(host, file);
  await host.mustExec(['sh', `${FOLDER}/controller.sh`, FOLDER], { timeout_ms: INSTALL_TIMEOUT_MS });
}

/** The agent, by the one install script. */
export async function installAgent(
  host: Host,
  options: { name: string; packages: Packages; keys: Keys; settings: LocalSettings; log: (line: string) => void },
): Promise<void> {
  const { name, packages, keys, settings, log } = options;
  await sendPackage(host, packages.agent, 'agent.deb');
  await send(host, join(ROOT, 'bootstrap/install.sh'));
  const token = `${FOLDER}/join-token`;
  await host.writeFile(token, await joinToken(settings.controllerUrl, keys, name), '0600');
  const output = await host.mustExec(
    [
      ['sh', `${FOLDER}/install.sh`, '--controller', settings.controllerUrl, '--host', name],
      ['--package', `${FOLDER}/agent.deb`],
      ['--join-token-file', token],
    ].flat(),
    { timeout_ms: INSTALL_TIMEOUT_MS },
  );
  await host.mustExec(['rm', token]);
  const told = output.split('\n').findLast((line) => line.startsWith('holdfast: '));
  if (told !== undefined) log(`${name}: ${told.slice('holdfast: '.length)}`);
}

/** Copies a package of 50 MB only where another one is there. Its checksum goes last: with it the copy is whole. */
async function sendPackage(host: Host, file: string, name: string): Promise<void> {
  await host.mustExec(['install', '-d', '-m', '0700', FOLDER]);
  const checksum = await readFile(`${file}.sha256`, 'utf8');
  if ((await host.exec(['cat', `${FOLDER}/${name}.sha256`])).stdout === checksum) return;
  await host.mustExec(['rm', '-f', `${FOLDER}/${name}.sha256`]);
  await host.copyIn(file, `${FOLDER}/${name}`);
  await host.writeFile(`${FOLDER}/${name}.sha256`, checksum);
}

async function send(host: Host, file: string): Promise<void> {
  await host.writeFile(`${FOLDER}/${basename(file)}`, await readFile(file), '0600');
}

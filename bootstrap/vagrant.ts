/**
 * What the Vagrantfile asks for before its machines come up: keys, repositories and packages in `.holdfast`, laid out as
 * the scripts in the machines expect them. Everything that is there already stays.
 * `image` also builds the host image, for Vagrant's docker provider, and prints its tag. `join NAME` waits for the
 * controller, pushes the desired state to one that has none, and leaves a join token for that host there, too.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureImage } from '../test/hosts/build-image.ts';
import { joinToken } from './local/controller-api.ts';
import { ensureKeys } from './local/keys.ts';
import { ensureApplication, ensureDesiredState } from './local/repositories.ts';
import { localSettings } from './local/settings.ts';
import { buildPackages } from './package.ts';

const CONTROLLER_TIMEOUT_MS = 300_000;
const POLL_MS = 1000;

/** Makes the folder that the machines see; resolves to it. */
async function prepare(): Promise<string> {
  const settings = localSettings();
  const keys = await ensureKeys(settings);
  await ensureApplication(settings);
  const packages = await buildPackages(join(settings.stateFolder, 'packages'));
  const folder = join(settings.stateFolder, 'machine');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, file] of [
    ['agent.deb', packages.agent],
    ['agent.deb.sha256', `${packages.agent}.sha256`],
    ['controller.deb', packages.controller],
    ['controller.deb.sha256', `${packages.controller}.sha256`],
    ...[keys.secrets, keys.adminToken, keys.caCert, keys.caKey].map((path) => [basename(path), path] as const),
  ] as const) {
    await copyFile(file, join(folder, name));
  }
  return folder;
}

const [task, name = ''] = process.argv.slice(2);

/** The controller is a machine that comes up before this one, or beside it. */
async function leaveJoinToken(host: string): Promise<void> {
  const settings = localSettings();
  const keys = await ensureKeys(settings);
  const deadline = performance.now() + CONTROLLER_TIMEOUT_MS;
  for (;;) {
    try {
      await ensureDesiredState(settings, keys);
      const token = await joinToken(settings.controllerUrl, keys, host);
      await writeFile(join(settings.stateFolder, 'machine', `join-token-${host}`), token, { mode: 0o600 });
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(POLL_MS);
    }
  }
}

try {
  await prepare();
  if (task === 'join') await leaveJoinToken(name);
  if (task === 'image') {
    process.stdout.write(`${await ensureImage('bookworm', (line) => process.stderr.write(`${line}\n`))}\n`);
  }
} catch (error) {
  process.stderr.write(`vagrant: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/**
 * What the Vagrantfile asks for before its machines come up: keys, repositories and packages in `.holdfast`, laid out as
 * the scripts in the machines expect them. Everything that is there already stays.
 * `image` also builds the host image, for Vagrant's docker provider, and prints its tag.
 */
import { copyFile, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ensureImage } from '../test/hosts/build-image.ts';
import { ensureKeys } from './local/keys.ts';
import { ensureRepositories } from './local/repositories.ts';
import { localSettings } from './local/settings.ts';
import { buildPackages } from './package.ts';

/** Makes the folder that the machines see; resolves to it. */
async function prepare(): Promise<string> {
  const settings = localSettings();
  const keys = await ensureKeys(settings);
  await ensureRepositories(settings);
  const packages = await buildPackages(join(settings.stateFolder, 'packages'));
  const folder = join(settings.stateFolder, 'machine');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, file] of [
    ['agent.deb', packages.agent],
    ['agent.deb.sha256', `${packages.agent}.sha256`],
    ['controller.deb', packages.controller],
    ['controller.deb.sha256', `${packages.controller}.sha256`],
    ...[keys.secrets, keys.token, keys.certificate, keys.key].map((path) => [basename(path), path] as const),
  ] as const) {
    await copyFile(file, join(folder, name));
  }
  return folder;
}

try {
  await prepare();
  if (process.argv[2] === 'image') {
    process.stdout.write(`${await ensureImage('bookworm', (line) => process.stderr.write(`${line}\n`))}\n`);
  }
} catch (error) {
  process.stderr.write(`vagrant: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

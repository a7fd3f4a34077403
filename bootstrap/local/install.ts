/** Puts controller and agents on their hosts, and changes nothing where they are there already. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Host } from '../../test/hosts/host.ts';
import type { Packages } from '../package.ts';
import type { Keys } from './keys.ts';
import { CONTROLLER_PORT, type LocalSettings, ROOT } from './settings.ts';

const INSTALL_TIMEOUT_MS = 300_000;
const UPLOADS = '/var/tmp';
const CONTROLLER_FOLDER = '/etc/holdfast-controller';
const CONTROLLER_OPTIONS = [
  ['--repository', '/srv/git/desired-state.git'],
  ['--listen', `0.0.0.0:${CONTROLLER_PORT}`],
  ['--secrets', `${CONTROLLER_FOLDER}/secrets.yaml`],
  ['--token-file', `${CONTROLLER_FOLDER}/token`],
  ['--tls-cert', `${CONTROLLER_FOLDER}/tls.crt`],
  ['--tls-key', `${CONTROLLER_FOLDER}/tls.key`],
].flat();

/** The controller as a service of its own user, and the git daemon for the application's repository. */
export async function installController(host: Host, options: { packages: Packages; keys: Keys }): Promise<void> {
  const { packages, keys } = options;
  const isNew = await installPackage(host, packages.controller);
  const changes = [
    await putWhereItDiffers(host, keys.secrets, { path: `${CONTROLLER_FOLDER}/secrets.yaml`, mode: '0600' }),
    await putWhereItDiffers(host, keys.token, { path: `${CONTROLLER_FOLDER}/token`, mode: '0600' }),
    await putWhereItDiffers(host, keys.certificate, { path: `${CONTROLLER_FOLDER}/tls.crt`, mode: '0644' }),
    await putWhereItDiffers(host, keys.key, { path: `${CONTROLLER_FOLDER}/tls.key`, mode: '0600' }),
    await writeWhereItDiffers(host, `OPTIONS=${CONTROLLER_OPTIONS.join(' ')}\n`, {
      path: '/etc/default/holdfast-controller',
      mode: '0644',
      owner: 'root',
    }),
  ];
  const gitDaemon = await writeWhereItDiffers(
    host,
    await readFile(join(import.meta.dirname, 'git-daemon.service'), 'utf8'),
    { path: '/etc/systemd/system/holdfast-git.service', mode: '0644', owner: 'root' },
  );
  if (gitDaemon)
    await host.sh('systemctl daemon-reload && systemctl enable --quiet holdfast-git && systemctl restart holdfast-git');
  if (isNew || changes.includes(true)) {
    await host.sh('systemctl enable --quiet holdfast-controller && systemctl restart holdfast-controller');
  } else {
    await host.sh('systemctl start holdfast-controller holdfast-git');
  }
}

/** The agent, by the one install script. */
export async function installAgent(
  host: Host,
  options: { name: string; packages: Packages; keys: Keys; settings: LocalSettings; log: (line: string) => void },
): Promise<void> {
  const { name, packages, keys, settings, log } = options;
  const folder = '/var/lib/holdfast-bootstrap';
  const deb = `${folder}/${basename(packages.agent)}`;
  await host.mustExec(['install', '-d', '-m', '0700', folder]);
  if ((await host.exec(['test', '-f', `${deb}.sha256`])).code !== 0) {
    await host.sh(`rm -f ${folder}/*.deb*`);
    await host.copyIn(packages.agent, deb);
    await host.copyIn(`${packages.agent}.sha256`, `${deb}.sha256`);
  }
  await host.writeFile(`${folder}/token`, await readFile(keys.token), '0600');
  await host.writeFile(`${folder}/ca.pem`, await readFile(keys.certificate));
  await host.writeFile(`${folder}/install.sh`, await readFile(join(ROOT, 'bootstrap/install.sh')), '0755');
  const output = await host.mustExec(
    [
      ['sh', `${folder}/install.sh`, '--controller', settings.controllerUrl, '--host', name, '--package', deb],
      ['--token-file', `${folder}/token`, '--ca-file', `${folder}/ca.pem`],
    ].flat(),
    { timeout_ms: INSTALL_TIMEOUT_MS },
  );
  const told = output.split('\n').findLast((line) => line.startsWith('holdfast: '));
  if (told !== undefined) log(`${name}: ${told.slice('holdfast: '.length)}`);
}

/** Whether it was not there in this version. */
async function installPackage(host: Host, file: string): Promise<boolean> {
  const version = basename(file).split('_')[1];
  const installed = await host.exec(['dpkg-query', '--show', '--showformat', '${Version}', 'holdfast-controller']);
  if (installed.stdout === version) return false;
  const upload = `${UPLOADS}/${basename(file)}`;
  await host.copyIn(file, upload);
  await host.mustExec(
    [
      ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-y', '-o', 'DPkg::Lock::Timeout=300'],
      ['-o', 'Dpkg::Options::=--force-confold', '--no-install-recommends', '--allow-downgrades', 'install', upload],
    ].flat(),
    { timeout_ms: INSTALL_TIMEOUT_MS },
  );
  await host.mustExec(['rm', '-f', upload]);
  return true;
}

async function putWhereItDiffers(host: Host, local: string, at: { path: string; mode: string }): Promise<boolean> {
  return writeWhereItDiffers(host, await readFile(local, 'utf8'), { ...at, owner: 'holdfast-controller' });
}

async function writeWhereItDiffers(
  host: Host,
  content: string,
  { path, mode, owner }: { path: string; mode: string; owner: string },
): Promise<boolean> {
  const now = await host.exec(['cat', path]);
  if (now.code === 0 && now.stdout === content) return false;
  await host.mustExec(['install', '-D', '-o', owner, '-g', owner, '-m', mode, '/dev/stdin', `${path}.new`], {
    input: content,
  });
  await host.mustExec(['mv', '-f', `${path}.new`, path]);
  return true;
}

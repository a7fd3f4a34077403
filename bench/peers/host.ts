import { imageExists, removeImages } from '../../test/hosts/docker.ts';
import { type Host, startHost } from '../../test/hosts/host.ts';
import { withLock } from '../../test/hosts/lock.ts';
import type { Progress } from '../settings.ts';
import { ensurePeersImage, hashOfPeers, peersFolder } from './image.ts';

/** git comes with the stack; the repository has to be there before it, as a server elsewhere would be. */
const PREPARE = `
chmod -R u+w /opt/peers
apt-get -q -y install --no-install-recommends git
git config --system --add safe.directory '*'
bash /opt/peers/prepare.sh`;

/** Debian's package leaves the standard library, and the module and interpreter for apt, to who sets up a policy. */
const INSTALL_CFENGINE_POLICY = `
cd /var/lib/cfengine3
install -D /opt/peers/cfengine/todo.cf inputs/promises.cf
cp -r /opt/peers/cfengine/templates /opt/peers/cfengine/files /usr/share/cfengine3/masterfiles/lib inputs/
install -D /usr/share/cfengine3/masterfiles/modules/packages/vendored/apt_get.mustache modules/packages/apt_get
ln -s /usr/bin/python3 /usr/bin/cfengine-selected-python
cf-promises`;

/** A host with the peers' definitions at /opt/peers, the application's repository at /srv/todo.git, and nothing converged yet. */
export async function startPeersHost(progress: Progress): Promise<Host> {
  const folder = peersFolder();
  if (folder === undefined) throw new Error('the peers’ definitions are not beside the checkout: ../shared/peers');
  const host = await startHost({ name: 'todo', image: await ensurePeersImage(progress), network: 'none' });
  await host.copyIn(folder, '/opt/peers');
  await host.sh(PREPARE, { timeout_ms: 120_000 });
  await host.sh(INSTALL_CFENGINE_POLICY);
  return host;
}

/**
 * A host that Ansible has converged, and that was found right by the peers' own check. Made once for each state of
 * their definitions and kept as an image, since Ansible takes a while.
 */
export async function startConvergedHost(progress: Progress): Promise<Host> {
  const blank = await ensurePeersImage(progress);
  const tag = `holdfast-peers-converged:${hashOfPeers([blank, PREPARE, INSTALL_CFENGINE_POLICY])}`;
  await withLock('holdfast-peers-converged', RUN_TIMEOUT_MS, async () => {
    if (await imageExists(tag)) return;
    const [ansible] = peers;
    if (ansible === undefined) throw new Error('there is no peer');
    await using host = await startPeersHost(progress);
    progress('converging with Ansible');
    await runPeer(host, ansible, false);
    await verifyStack(host);
    await host.bake(tag);
    await removeImages('holdfast-peers-converged:*', [tag]);
  });
  const host = await startHost({ name: 'todo', image: tag, network: 'none' });
  // On overlayfs a directory of the image cannot be renamed, which is how Holdfast switches nginx's, and git as another user
  // has once been refused its own index; a VM has no such limits.
  for (const path of ['/etc/nginx', '/webapps/todo']) {
    await host.sh(`cp -a ${path} ${path}.own; rm -r ${path}; mv ${path}.own ${path}`);
  }
  await host.mustExec(['systemctl', 'reload', 'nginx']);
  return host;
}

export interface Peer {
  readonly name: string;
  /** The command of a run; `scaled` adds the 500 files. */
  argv(scaled: boolean): readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Exit codes of a run that went well. */
  readonly okCodes: readonly number[];
  /** What it prints of a run that did not, whatever its exit code is. */
  readonly trouble: RegExp;
}

export const peers: readonly Peer[] = [
  {
    name: 'ansible',
    argv: (scaled) => ['ansible-playbook', 'site.yml', ...(scaled ? ['-e', 'scale=true'] : [])],
    env: { ANSIBLE_PIPELINING: 'true', LANG: 'C.UTF-8' },
    cwd: '/opt/peers/ansible',
    okCodes: [0],
    trouble: /failed=[1-9]/,
  },
  {
    name: 'puppet',
    argv: (scaled) => ['puppet', 'apply', '--modulepath', 'modules', scaled ? 'site-scale.pp' : 'site.pp'],
    env: { LANG: 'C.UTF-8' },
    cwd: '/opt/peers/puppet',
    okCodes: [0, 2],
    trouble: /^.*Error: /m,
  },
  {
    name: 'cfengine',
    argv: (scaled) => ['cf-agent', '-KI', ...(scaled ? ['-D', 'scale'] : [])],
    env: { LANG: 'C.UTF-8' },
    cwd: '/root',
    okCodes: [0],
    trouble: /^\s*error: /m,
  },
];

const RUN_TIMEOUT_MS = 1_800_000;

/** Runs a peer once. Resolves to the wall time in milliseconds and what it printed. */
export async function runPeer(
  host: Host,
  peer: Peer,
  scaled: boolean,
): Promise<{ readonly wall_ms: number; readonly stdout: string }> {
  const begun = performance.now();
  const result = await host.exec(peer.argv(scaled), { env: peer.env, cwd: peer.cwd, timeout_ms: RUN_TIMEOUT_MS });
  const wall_ms = performance.now() - begun;
  if (!peer.okCodes.includes(result.code) || peer.trouble.test(result.stdout + result.stderr)) {
    throw new Error(
      `${peer.name} ended with ${result.code}\n${result.stdout.slice(-4000)}${result.stderr.slice(-4000)}`,
    );
  }
  return { wall_ms, stdout: result.stdout };
}

/** The peers' own check that the stack is up and as declared. Rejects with what is not; `except` names checks that do not apply. */
export async function verifyStack(host: Host, except: readonly string[] = []): Promise<void> {
  const lines = (await host.sh('bash /opt/peers/verify.sh')).trim().split('\n');
  const bad = lines.filter((line) => !line.startsWith('ok ') && !except.includes(line.replace(/^FAIL /, '')));
  if (bad.length > 0) throw new Error(`the stack is not as declared:\n${bad.join('\n')}`);
}

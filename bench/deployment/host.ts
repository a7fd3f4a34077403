/** The reference deployment, all of its roles on one host: desired-state/ as the controller compiles it, and the example application. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { compileTree } from '../../controller/compile/compile.ts';
import type { Tree } from '../../controller/compile/tree.ts';
import { unpack } from '../../controller/packing.ts';
import { readDirectory } from '../../controller/source/directory.ts';
import { Secret } from '../../desired-state/schema/secret.ts';
import { DaemonOnHost } from '../../test/agent/daemon-on-host.ts';
import { differences } from '../../test/conformance/agent-on-host.ts';
import { type Host, startHost } from '../../test/hosts/host.ts';

const ROOT = join(import.meta.dirname, '../..');
const NAME = 'all-1';
export const REPOSITORY = '/srv/git/todomvc.git';
export const SECRETS = ['todo_db_password', 'todo_secret_key'] as const;

export const MAKE_REPOSITORY = `
apt-get -q -y install --no-install-recommends git >/dev/null
work=/root/todomvc
find $work -name __pycache__ -prune -exec rm -rf {} +
git -C $work init --quiet --initial-branch=master
git -C $work add --all
git -C $work -c user.name=todo -c user.email=todo@todo.local commit --quiet --message todo
install -d /srv/git
git clone --quiet --bare $work ${REPOSITORY}
rm -rf $work`;

/** Converged by `run --once` when it resolves, the daemon installed and not started. Dispose of its host in the end. */
export async function deployedHost(): Promise<DaemonOnHost> {
  const host = await startHost({ name: NAME });
  try {
    await host.copyIn(join(ROOT, 'examples/todomvc'), '/root/todomvc');
    await host.sh(MAKE_REPOSITORY, { timeout_ms: 120_000 });
    const daemon = await DaemonOnHost.install(host);
    await host.writeFile('/var/lib/holdfast/manifest.json', await manifestFor(host), '0600');
    const { code, result } = await daemon.agent.run();
    if (code !== 0) throw new Error(`the deployment did not converge:\n${differences(result).join('\n')}`);
    return daemon;
  } catch (error) {
    await host.dispose();
    throw error;
  }
}

async function manifestFor(host: Host): Promise<string> {
  const secrets = new Map(SECRETS.map((name) => [name, new Secret(randomBytes(24).toString('base64url'))]));
  const tree = onOneHost(await readDirectory(join(ROOT, 'desired-state')), host.address);
  const { hosts, issues, pending } = compileTree(tree, { revision: 'bench', secrets, facts: new Map() });
  const compiled = hosts.get(NAME);
  if (compiled === undefined || issues.length > 0) {
    throw new Error(
      `the desired state does not compile: ${JSON.stringify({ issues, pending: [...pending.values()] })}`,
    );
  }
  return unpack(compiled.packed);
}

/** The tree with our one host in place of its own; the application's repository lies on the host itself. */
function onOneHost(tree: Tree, address: string): Tree {
  const text = JSON.stringify({
    environment: 'vagrant',
    roles: ['base', 'db', 'web'],
    address,
    vars: { app_repository: REPOSITORY },
  });
  const others = [...tree].filter(([path]) => !path.startsWith('hosts/'));
  return new Map([...others, [`hosts/${NAME}.yaml`, { type: 'file', content: Buffer.from(text) }]]);
}

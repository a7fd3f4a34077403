/** bootstrap/install.sh on a machine that already runs. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildPackages } from '../../bootstrap/package.ts';
import { startController } from '../controller/controller-process.ts';
import { diffSnapshots } from '../hosts/diff-snapshots.ts';
import { type Host, startHost } from '../hosts/host.ts';
import { sharedNetwork } from '../hosts/network.ts';
import type { ProcessResult } from '../hosts/process.ts';

const SCRIPT = join(import.meta.dirname, '../../bootstrap/install.sh');
const FOLDER = '/srv/install';
const INSTALL_TIMEOUT_MS = 300_000;
/** Nobody listens there: the agent is to start all the same, and to say so. */
const CONTROLLER = 'https://127.0.0.1:9';

let host: Host;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-install-'));
  const packages = await buildPackages(folder);
  host = await startHost({ name: 'web', node: false });
  await host.mustExec(['mkdir', FOLDER]);
  await host.copyIn(SCRIPT, `${FOLDER}/install.sh`);
  await host.copyIn(packages.agent, `${FOLDER}/agent.deb`);
  await host.copyIn(`${packages.agent}.sha256`, `${FOLDER}/agent.deb.sha256`);
});
after(async () => {
  await host?.dispose();
  await rm(folder, { recursive: true, force: true });
});

test('a dry run tells what it would do and changes nothing', async () => {
  const earlier = await host.snapshot();
  const { code, stdout, stderr } = await install('--dry-run');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /would write: \/etc\/holdfast\/agent\.json/);
  assert.match(stdout, /would run: .*apt-get.* install/);
  // Its work folder came and went: times do not count.
  assert.deepEqual(diffSnapshots(earlier, await host.snapshot(), { compare: 'result' }), []);
});

test('a damaged package is refused and nothing is installed', async () => {
  const { code, stderr } = await install('--sha256', '0'.repeat(64));
  assert.equal(code, 1);
  assert.match(stderr, /the checksum of .* is [0-9a-f]{64} and not 0{64}/);
  assert.notEqual((await host.exec(['test', '-e', '/etc/holdfast'])).code, 0);
});

test('it installs the agent, which runs though its controller is away', async () => {
  const { code, stdout, stderr } = await install();
  assert.equal(code, 0, `${stdout}${stderr}`);
  assert.equal(
    (await host.sh('systemctl is-active holdfast-agent; systemctl is-enabled holdfast-agent')).trim(),
    'active\nenabled',
  );
  assert.deepEqual(JSON.parse(await host.readFile('/etc/holdfast/agent.json')), {
    controller: CONTROLLER,
    host: 'web-1',
  });
  assert.match(stdout, /not enrolled: holdfast-agent enroll/);
  assert.match(await host.sh('holdfast-agent --version'), /^holdfast-agent \d/);
});

test('again it says that there is nothing to do, and restarts nothing', async () => {
  const started = () => host.mustExec(['systemctl', 'show', '-p', 'ExecMainStartTimestampMonotonic', 'holdfast-agent']);
  const earlier = await started();
  const { code, stdout } = await install();
  assert.equal(code, 0);
  assert.match(stdout, /nothing to do/);
  assert.equal(await started(), earlier);
});

test('another controller is a change of the configuration and a restart', async () => {
  const { code, stderr } = await run(
    '--controller',
    'https://127.0.0.1:10',
    '--host',
    'web-1',
    '--package',
    `${FOLDER}/agent.deb`,
  );
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(await host.readFile('/etc/holdfast/agent.json')).controller, 'https://127.0.0.1:10');
  assert.equal((await host.sh('systemctl is-active holdfast-agent')).trim(), 'active');
});

test('with a join token the machine is enrolled, its key stays there, and the agent gets its manifest', async () => {
  const { gatewayAddress } = await sharedNetwork();
  const controller = await startController({ address: gatewayAddress });
  try {
    const token = await controller.operator.joinToken({ host: 'web-1' });
    await host.writeFile(`${FOLDER}/join-token`, token, '0600');
    const options = ['--controller', controller.url, '--join-token-file', `${FOLDER}/join-token`];
    const { code, stdout, stderr } = await install(...options);
    assert.equal(code, 0, `${stdout}${stderr}`);
    assert.match(stdout, /enrolled as web-1; the certificate holds until/);
    assert.equal((await host.sh('stat -c %a:%U /var/lib/holdfast/identity.pem')).trim(), '600:root');
    assert.equal((await awaitFile()).trim(), 'one');
    // The token is used up: that it is not looked at again is what makes a second run harmless.
    const again = await install(...options);
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /nothing to do/);
    const { certificates } = (await controller.operator.call({ path: '/v1/certificates' })).json<{
      readonly certificates: readonly object[];
    }>();
    assert.equal(certificates.length, 1);
    assert.doesNotMatch(JSON.stringify(controller.lines), new RegExp(token.split('_')[2] ?? 'no token'));
  } finally {
    await controller.stop();
  }
});

test('a system that is not supported is told so, with exit code 3', async () => {
  await host.sh('cp /etc/os-release /root/os-release; printf "ID=alpine\\nVERSION_ID=3.20\\n" > /etc/os-release');
  const { code, stderr } = await install();
  await host.sh('cat /root/os-release > /etc/os-release; rm /root/os-release');
  assert.equal(code, 3);
  assert.match(stderr, /this is alpine 3\.20: Debian 11 or later/);
});

test('uninstall and purge leave nothing of the agent', async () => {
  const { code, stderr } = await run('--uninstall', '--purge');
  assert.equal(code, 0, stderr);
  assert.equal(
    await host.sh(
      'find / -xdev -iname "*holdfast*" ! -path "/proc/*" ! -path "/sbin/*" ! -path "/usr/sbin/*" ! -path "/.holdfast-test*" ! -path "/var/log/*" ! -path "/run/*"',
    ),
    '',
  );
  assert.match((await run('--uninstall')).stdout, /the agent is not installed/);
});

async function awaitFile(): Promise<string> {
  return host.sh('until [ -f /etc/kept-by-test ]; do sleep 0.1; done; cat /etc/kept-by-test', { timeout_ms: 60_000 });
}

function install(...more: readonly string[]): Promise<ProcessResult> {
  const usual = ['--controller', CONTROLLER, '--host', 'web-1', '--package', `${FOLDER}/agent.deb`];
  return run(...usual, ...more);
}

function run(...args: readonly string[]): Promise<ProcessResult> {
  return host.exec(['sh', `${FOLDER}/install.sh`, ...args], { timeout_ms: INSTALL_TIMEOUT_MS });
}

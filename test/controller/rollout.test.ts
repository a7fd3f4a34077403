/** Rollouts, previews and pauses on real hosts: a controller as a process of this machine, agents under systemd. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import type { HostPlan } from '../../controller/git/ports.ts';
import type { HostStatus } from '../../controller/hosts.ts';
import { DaemonOnHost, poll } from '../agent/daemon-on-host.ts';
import { diffSnapshots } from '../hosts/diff-snapshots.ts';
import { type Host, startHost } from '../hosts/host.ts';
import { sharedNetwork } from '../hosts/network.ts';
import { mustRun } from '../hosts/process.ts';
import { Operator } from './call.ts';

const CONTROLLER = join(import.meta.dirname, '../../controller/main.ts');
const FILE = '/etc/holdfast-test';
const CANARY = '{ canary: 1, hold: 1s }';

let folder: string;
let listen: string;
let controller: ChildProcess;
let operator: Operator;
let hosts: readonly [DaemonOnHost, DaemonOnHost];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-rollout-'));
  const { gatewayAddress } = await sharedNetwork();
  listen = `${gatewayAddress}:${await freePort(gatewayAddress)}`;
  await mustRun(['git', 'init', '--quiet', '--initial-branch=main', join(folder, 'repository')]);
  await push('one');
  await startController();
  const [one, two] = await Promise.all([startHost({ name: 'web-1' }), startHost({ name: 'web-2' })]);
  hosts = [await enrolled(one), await enrolled(two)];
  await bothHave('one');
});

after(async () => {
  await Promise.all((hosts ?? []).map(({ host }) => host.dispose()));
  if (controller !== undefined) await kill('SIGTERM');
  await rm(folder, { recursive: true, force: true });
});

async function freePort(address: string): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const bound = server.address();
  server.close();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

async function startController(): Promise<void> {
  const state = join(folder, 'state');
  const args = ['--repository', join(folder, 'repository'), '--state-directory', state, '--poll', '1h'];
  controller = spawn(process.execPath, [CONTROLLER, ...args, '--listen', listen, '--log-level', 'warn'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const url = `https://${listen}`;
  const found = await poll(async () => {
    const one = await Operator.of(url, state).catch(() => undefined);
    const answer = await one?.call({ path: '/v1/status' }).catch(() => undefined);
    return answer?.status === 200 ? one : undefined;
  });
  assert.ok(found !== undefined, 'the controller does not start');
  operator = found;
}

async function kill(signal: NodeJS.Signals): Promise<void> {
  const ended = once(controller, 'exit');
  controller.kill(signal);
  await ended;
}

async function enrolled(host: Host): Promise<DaemonOnHost> {
  const daemon = await DaemonOnHost.install(host, { controller: `https://${listen}` });
  await host.writeFile('/root/join-token', await operator.joinToken({ host: host.name }), '0600');
  await host.mustExec(['holdfast-agent', 'enroll', '--join-token-file', '/root/join-token']);
  await daemon.start();
  return daemon;
}

/** Commits to the repository that the controller watches; resolves to the revision. */
async function push(
  content: string,
  more: { readonly rollout?: string; readonly files?: string } = {},
): Promise<string> {
  const { rollout = CANARY, files = '' } = more;
  const tree = {
    'environments/test.yaml': '{}\n',
    'roles/web.yaml': `files:\n  ${FILE}: { content: ${content} }\n${files}rollout: ${rollout}\n`,
    'hosts/web-1.yaml': 'environment: test\nroles: [web]\n',
    'hosts/web-2.yaml': 'environment: test\nroles: [web]\n',
  };
  const repository = join(folder, 'repository');
  for (const [name, text] of Object.entries(tree)) {
    const path = join(repository, 'desired-state', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  const author = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgSign=false'];
  await mustRun(['git', '-C', repository, 'add', '--all']);
  await mustRun(['git', '-C', repository, ...author, 'commit', '--quiet', '--allow-empty', '--message', content]);
  return (await mustRun(['git', '-C', repository, 'rev-parse', 'HEAD'])).trim();
}

const content = async ({ host }: DaemonOnHost): Promise<string> => (await host.exec(['cat', FILE])).stdout;

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const found = await poll(async () => ((await holds()) ? true : undefined));
  if (found === true) return;
  const status = (await operator.call({ path: '/v1/hosts' }).catch(() => undefined))?.body;
  throw new Error(`not in time: ${what}\n${status}\n${await hosts[0].journal()}`);
}

const bothHave = (text: string): Promise<void> =>
  until(`both have ${text}`, async () => (await Promise.all(hosts.map(content))).every((one) => one === text));

async function statusOf(host: string): Promise<HostStatus> {
  const answer = await operator.call({ path: '/v1/hosts' });
  const found = answer.json<{ readonly hosts: readonly HostStatus[] }>().hosts.find((one) => one.host === host);
  assert.ok(found !== undefined);
  return found;
}

const allConverged = (): Promise<void> =>
  until('both are converged', async () =>
    (await Promise.all(['web-1', 'web-2'].map(statusOf))).every(({ state }) => state === 'converged'),
  );

test('a canary that fails leaves the second host untouched, and the fix is not kept waiting', async () => {
  const [canary, other] = hosts;
  const bad = await push('two', { files: '  /etc/hostname/impossible: { content: x }\n' });
  await until('the canary has failed', async () => (await statusOf('web-1')).state === 'failed');
  await until('the other host is told', async () =>
    /is paused: web-1 failed/.test((await statusOf('web-2')).why ?? ''),
  );
  assert.deepEqual([await content(canary), await content(other)], ['two', 'one']);
  const own = await other.until('it says what it waits for', ({ revision }) => revision.wanted === bad);
  assert.match(
    own.revision.whyDifferent ?? '',
    /waits for wave 2 of 2 of test\/web; rollout \d+ is paused: web-1 failed/,
  );
  assert.notEqual(own.revision.running, bad);
  await push('three');
  await bothHave('three');
  await allConverged();
});

test('a controller that is killed in the middle of a rollout goes on with it', async () => {
  const [canary, other] = hosts;
  await push('four', { rollout: '{ canary: 1, hold: 4s }' });
  await until('the canary has it', async () => (await content(canary)) === 'four');
  await kill('SIGKILL');
  assert.equal(await content(other), 'three');
  await startController();
  await bothHave('four');
  await allConverged();
});

test('of two pushes in one second the later wins', async () => {
  const first = push('five');
  await first;
  const last = await push('six');
  await bothHave('six');
  await allConverged();
  for (const daemon of hosts) assert.equal((await daemon.status()).revision.running, last);
  for (const { host } of hosts) assert.doesNotMatch(await host.mustExec(['ls', '/etc']), /holdfast-test\./);
});

test('a freeze holds a change, and an edit by hand is healed all the same', async () => {
  const [one] = hosts;
  const days = '[mon, tue, wed, thu, fri, sat, sun]';
  await push('seven', { rollout: `{ freeze: [{ days: ${days}, why: nobody is there }] }` });
  await until('it is frozen', async () => /is frozen: .*nobody is there/.test((await statusOf('web-1')).why ?? ''));
  await one.host.writeFile(FILE, 'by hand');
  await until('it is healed', async () => (await content(one)) === 'six');
  assert.deepEqual(await Promise.all(hosts.map(content)), ['six', 'six']);
  await push('seven');
  await bothHave('seven');
  await allConverged();
});

test('a preview says what would change, and changes nothing', async () => {
  const [one] = hosts;
  const served = (await one.status()).revision.running;
  // In the repository and on no branch that anybody follows.
  const repository = join(folder, 'repository');
  const earlier = await one.host.snapshot();
  await mustRun(['git', '-C', repository, 'checkout', '--quiet', '-b', 'idea']);
  const revision = await push('eight');
  await mustRun(['git', '-C', repository, 'checkout', '--quiet', 'main']);
  await mustRun(['git', '-C', repository, 'push', '--quiet', join(folder, 'state/repository.git'), 'idea']);
  const answer = await operator.call({ path: '/v1/plan', body: { revision, bound_ms: 20_000 } });
  assert.equal(answer.status, 200, answer.body);
  const plans = answer.json<{ readonly hosts: readonly HostPlan[] }>().hosts;
  assert.deepEqual(
    plans.map(({ host, source, changes }) => [host, source, changes.map(({ kind, name }) => `${kind}/${name}`)]),
    ['web-1', 'web-2'].map((host) => [host, 'agent', [`files/${FILE}`]]),
  );
  assert.match(plans[0]?.changes[0]?.diff ?? '', /^-seven$/m);
  assert.match(plans[0]?.changes[0]?.diff ?? '', /^\+eight$/m);
  assert.deepEqual(diffSnapshots(earlier, await one.host.snapshot(), { compare: 'result' }), []);
  assert.equal((await one.status()).revision.running, served);
});

test('a pause through the controller keeps the host as it is, over a restart of its agent, until it is ended', async () => {
  const [one, other] = hosts;
  const answer = await operator.call({ path: '/v1/hosts/web-1/pause', body: { for: '1h', why: 'a look at the host' } });
  assert.equal(answer.status, 200, answer.body);
  await one.until('it is paused', ({ pause }) => pause?.why === 'a look at the host');
  await until('the controller knows', async () => (await statusOf('web-1')).state === 'paused');
  await one.host.mustExec(['systemctl', 'restart', 'holdfast-agent']);
  await one.until('it is paused still', ({ pause }) => pause !== undefined);
  await push('nine', { rollout: '{}' });
  await until('the other host has it', async () => (await content(other)) === 'nine');
  assert.equal(await content(one), 'seven');
  assert.equal((await operator.call({ method: 'DELETE', path: '/v1/hosts/web-1/pause' })).status, 204);
  await bothHave('nine');
  await allConverged();
});

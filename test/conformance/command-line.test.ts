/** The command line on a real host: exit codes, what a person reads, the run lock, and what a dry run leaves alone. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Secret } from '../../desired-state/schema/secret.ts';
import { diffSnapshots } from '../hosts/diff-snapshots.ts';
import { type Host, startHost } from '../hosts/host.ts';
import { AgentOnHost, resourceOf } from './agent-on-host.ts';

let host: Host;
let agent: AgentOnHost;
before(async () => {
  host = await startHost({ name: 'web-1' });
  agent = await AgentOnHost.install(host);
});
after(() => host.dispose());

const MOTD = { files: { '/etc/motd': { content: 'Kept by Holdfast.\n' } } };

/** As a person calls it, without `--json`. */
function call(...argv: readonly string[]) {
  return host.exec(['holdfast-agent', ...argv]);
}

test('without a manifest it says where it looked and what to do', async () => {
  const { code, stderr } = await call('plan');
  assert.equal(code, 1);
  assert.match(stderr, /cannot read the manifest: .*\/var\/lib\/holdfast\/manifest\.json.*--manifest FILE/);
});

test('wrong usage ends with 64 and a hint', async () => {
  for (const argv of [['plna'], ['plan', '--jsno'], ['run'], ['plan', '--only', 'nginx'], []]) {
    const { code, stderr } = await call(...argv);
    assert.equal(code, 64, argv.join(' '));
    assert.match(stderr, /--help|Usage/);
  }
});

test('every command has a help that lists its exit codes', async () => {
  for (const argv of [
    ['plan', '--help'],
    ['run', '--once', '--help'],
  ]) {
    const { code, stdout } = await call(...argv);
    assert.equal(code, 0);
    assert.match(stdout, /Usage: holdfast-agent (plan|run --once)[^]*--manifest FILE[^]*Exit codes:\n +0 /);
  }
});

test('a manifest that is not one is refused and nothing is changed', async () => {
  await host.writeFile('/root/broken.json', '{"format": {"major": 9, "minor": 0}}');
  const earlier = await host.snapshot();
  const { code, stderr } = await call('run', '--once', '--manifest', '/root/broken.json');
  assert.equal(code, 1);
  assert.match(stderr, /the manifest is malformed/);
  assert.deepEqual(diffSnapshots(earlier, await host.snapshot()), []);
});

test('plan prints a diff without colours into a pipe and ends with 2; run prints progress and ends with 0', async () => {
  await agent.writeManifest(MOTD);
  await host.writeFile('/etc/motd', 'By hand.\n');
  const plan = await call('plan');
  assert.equal(plan.code, 2);
  assert.match(
    plan.stdout,
    /^files \/etc\/motd\n {2}~ .*\n {6}--- \/etc\/motd\n[^]*-By hand\.\n {6}\+Kept by Holdfast\./,
  );
  assert.match(plan.stdout, /\n1 change to 1 resource pending on web-1 at test \(1 resource in \d+ ms\)\n$/);
  assert.ok(!plan.stdout.includes('\u001b'), 'no colours');
  const run = await call('run', '--once');
  assert.equal(run.code, 0);
  assert.match(run.stdout, /^… files \/etc\/motd: .*\nchanged files \/etc\/motd \(.*\)\nweb-1 at test: 1 changed/);
  assert.match((await call('plan')).stdout, /^Nothing to change on web-1/);
});

test('a run that has nothing to do writes nothing', async () => {
  await agent.run();
  const earlier = await host.snapshot();
  assert.match((await call('run', '--once')).stdout, /^.*1 converged/);
  assert.deepEqual(diffSnapshots(earlier, await host.snapshot()), []);
});

test('after a change by hand the plan calls it drift, also in a process of its own', async () => {
  await host.sh('echo by hand >/etc/motd');
  const { result } = await agent.plan();
  assert.equal(resourceOf(result, 'files//etc/motd').cause, 'corrective');
  assert.match((await call('plan')).stdout, /files \/etc\/motd \(drifted\)/);
  await agent.writeManifest({ files: { '/etc/motd': { content: 'Another text.\n' } } }, { revision: 'next' });
  assert.equal(resourceOf((await agent.plan()).result, 'files//etc/motd').cause, 'intended');
});

test('a host in mode report is told what differs and left alone', async () => {
  await agent.writeManifest(MOTD, { mode: 'report' });
  await host.writeFile('/etc/motd', 'By hand.\n');
  const earlier = await host.snapshot();
  const { code, result } = await agent.run();
  assert.deepEqual([code, resourceOf(result, 'files//etc/motd').status], [0, 'drifted']);
  assert.deepEqual(diffSnapshots(earlier, await host.snapshot(), { ignore: ['/var/lib/holdfast'] }), []);
});

test('no secret of the manifest is printed by plan or run', async () => {
  const content = new Secret('password=correct-horse\n', ['correct-horse']);
  await agent.writeManifest({ files: { '/etc/app.conf': { content, mode: '0600' } } });
  for (const argv of [['plan'], ['plan', '--json'], ['run', '--once'], ['run', '--once', '--json']]) {
    const { stdout, stderr } = await call(...argv);
    assert.ok(!`${stdout}${stderr}`.includes('correct-horse'), argv.join(' '));
  }
  assert.equal(await host.readFile('/etc/app.conf'), 'password=correct-horse\n');
});

test('what failed is said with its reason, what depends on it is blocked, and the rest is done', async () => {
  await host.sh('mkdir -p /srv/in-the-way && touch /srv/in-the-way/file');
  await agent.writeManifest({
    files: {
      '/srv/in-the-way': { content: 'a file\n' },
      '/etc/after': { content: 'x\n', requires: ['files//srv/in-the-way'] },
      '/etc/other': { content: 'y\n' },
    },
  });
  const { code, stdout } = await call('run', '--once');
  assert.equal(code, 1);
  assert.match(stdout, /(failed|stalled) files \/srv\/in-the-way .*\n {2}because: /);
  assert.match(stdout, /blocked files \/etc\/after \(.*by files \/srv\/in-the-way/);
  assert.match(stdout, /changed files \/etc\/other /);
});

test('a run waits for another one, and then ends with 75 and names it', async () => {
  await agent.writeManifest(MOTD);
  await host.writeFile('/etc/motd', 'By hand.\n');
  // What `flock` of util-linux holds is the agent's lock: an operator can keep the agent from changing anything.
  await host.sh('systemd-run --quiet --unit holder flock /var/lib/holdfast/run.lock sleep 1000');
  await host.sh('until ! flock -n /var/lib/holdfast/run.lock true; do :; done');
  const { code, stderr } = await call('run', '--once', '--wait', '200ms');
  assert.equal(code, 75);
  assert.match(stderr, /another run changes this host; waited 0\.2 s/);
  assert.equal((await agent.plan()).code, 2, 'looking needs no lock');
});

test('a holder of the lock that is killed leaves nothing behind: the run that waits goes on at once', async () => {
  const waiting = agent.run('--wait', '30s');
  await host.sh('until test "$(pgrep --count --exact flock)" = 2; do :; done');
  await host.sh('systemctl kill --signal KILL holder');
  const { code, result } = await waiting;
  assert.deepEqual([code, resourceOf(result, 'files//etc/motd').status], [0, 'changed']);
});

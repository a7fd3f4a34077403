/** What a host goes through besides: full disks, file systems that cannot be written, held locks, clocks that jump. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type AgentResult, differences, resourceOf } from '../conformance/agent-on-host.ts';
import { convergedImages, type Deployment, mustConverge, startDeployment } from '../drift/deployment.ts';
import { todosOf } from '../drift/site.ts';
import { assertNextRunConverges, assertNothingIsLeft } from './aftermath.ts';

const CLOCK = join(import.meta.dirname, 'clock.c');
const DAY_S = 86_400;

void test('bad days of the reference deployment', async (t) => {
  await using deployment = await startDeployment(await convergedImages());
  await deployment.converge();
  await t.test('the disk fills up in the middle of a release', () => diskFullInRelease(deployment));
  await t.test('the disk of the configuration is full', () => diskFullInEtc(deployment));
  await t.test('a file system is read-only', () => readOnly(deployment));
  await t.test('another process holds the locks of apt', () => aptIsBusy(deployment));
  await t.test('the repository of the application is away', () => gitIsAway(deployment));
  await t.test('the database is away while a release waits', () => databaseIsAway(deployment));
  await t.test('the clock jumps a year ahead and back', (at) => clockJumps(at, deployment));
});

async function diskFullInRelease(deployment: Deployment): Promise<void> {
  const { web } = deployment;
  await deployment.application.commit(
    "echo '# full disk' >>todo/urls.py; head -c 3000000 /dev/urandom >todos/large.bin",
  );
  await web.host.fillDisk('/srv/todo', { free_kib: 1000 });
  try {
    const { code, result } = await web.run();
    assert.equal(code, 1, 'a release that does not fit cannot have converged');
    const release = resourceOf(result, 'releases/todo');
    assert.equal(release.status, 'failed');
    assert.match(release.error ?? '', /^no space is left for the release: \d+ KiB are free on the file system of/);
    await siteAnswers(deployment);
  } finally {
    await web.host.freeDisk('/srv/todo');
  }
  await assertNextRunConverges(web);
  await siteAnswers(deployment);
  await assertNothingIsLeft(web.host);
}

async function diskFullInEtc(deployment: Deployment): Promise<void> {
  const { web } = deployment;
  const conf = '/srv/reports';
  await web.host.sh(`head -c 200000 /dev/zero >${conf}/large; rm ${conf}/token`);
  await web.host.fillDisk(conf);
  try {
    const { code, result } = await web.run();
    assert.equal(code, 1);
    const { status, error } = resourceOf(result, `files/${conf}/token`);
    assert.equal(status, 'failed');
    assert.match(error ?? '', /no space or no inodes are left on its file system: look at "df -h/);
    assert.equal(await web.host.sh(`ls -A ${conf}`), 'large\n');
  } finally {
    await web.host.freeDisk(conf);
  }
  await assertNextRunConverges(web);
  await web.host.sh(`rm ${conf}/large`);
}

async function readOnly(deployment: Deployment): Promise<void> {
  const { web } = deployment;
  await web.host.sh(
    "echo '# by hand' >>/etc/nginx/sites-available/todo; echo 43 >/etc/drift.conf; mount --bind /etc/nginx /etc/nginx; mount -o remount,bind,ro /etc/nginx",
  );
  try {
    const { code, result } = await web.run();
    assert.equal(code, 1);
    assert.equal(resourceOf(result, 'nginx/nginx').status, 'failed', differences(result).join('\n'));
    // What else is wrong is mended all the same.
    assert.equal(resourceOf(result, 'files//etc/drift.conf').status, 'changed');
    await siteAnswers(deployment);
  } finally {
    await web.host.sh('umount /etc/nginx');
  }
  await assertNextRunConverges(web);
  await assertNothingIsLeft(web.host);
}

/** As dpkg and apt hold them: by `fcntl`, one after the other. */
const HOLD_LOCKS = `
import fcntl, sys, time
files = [open(path, 'w') for path in ('/var/lib/dpkg/lock-frontend', '/var/lib/dpkg/lock')]
for file in files: fcntl.lockf(file, fcntl.LOCK_EX)
print('held', flush=True)
time.sleep(8)`;

async function aptIsBusy(deployment: Deployment): Promise<void> {
  const { web } = deployment;
  await web.host.sh('dpkg --remove drift-tool >/dev/null');
  await web.host.sh(
    'coproc python3 -; cat >&${COPROC[1]}; eval "exec ${COPROC[1]}>&-"; read -r line <&${COPROC[0]}; [ $line = held ]; disown',
    {
      input: HOLD_LOCKS,
    },
  );
  const plan = await web.plan();
  assert.match(differences(plan.result).join('\n'), /^packages\/packages: drifted: install drift-tool /m);
  const { result } = await mustConverge(web);
  assert.equal(resourceOf(result, 'packages/packages').status, 'changed');
  assert.equal((await web.plan()).code, 0);
}

async function gitIsAway(deployment: Deployment): Promise<void> {
  const { web, git } = deployment;
  await git.close();
  try {
    await web.host.sh('rm /srv/todo/current');
    await assertNextRunConverges(web);
    await siteAnswers(deployment);
  } finally {
    await git.open();
  }
}

async function databaseIsAway(deployment: Deployment): Promise<void> {
  const { web, db } = deployment;
  await deployment.application.commit("echo '# database away' >>todo/urls.py");
  const before = await web.host.sh('readlink /srv/todo/current');
  await db.host.cutOff();
  try {
    const { code, result } = await web.run();
    assert.equal(code, 1);
    assert.equal(resourceOf(result, 'releases/todo').status, 'failed');
    assert.equal(await web.host.sh('readlink /srv/todo/current'), before);
  } finally {
    await db.host.reconnect();
  }
  await assertNextRunConverges(web);
  assert.notEqual(await web.host.sh('readlink /srv/todo/current'), before);
  await siteAnswers(deployment);
}

async function clockJumps(t: TestContext, deployment: Deployment): Promise<void> {
  const { web } = deployment;
  await web.host.copyIn(CLOCK, '/root/clock.c');
  await web.host.sh('cd /root; gcc -shared -fPIC -O1 -o clock.so clock.c -ldl');
  const at = (command: 'plan' | 'run --once', days: number): Promise<AgentResult['result']> =>
    agentAt(deployment, command.split(' '), days);
  // Files keep the machine's own times, so only a plan is like one of that day.
  const ahead = await at('plan', 400);
  const { status, changes } = resourceOf(ahead, 'certificates/todo');
  assert.equal(status, 'drifted', differences(ahead).join('\n'));
  assert.match(changes[0]?.summary ?? '', /it expired on/);
  // What a host with such a clock would have left: a certificate that is not valid yet.
  await web.host.sh(
    `cd /etc/ssl/holdfast
    LD_PRELOAD=/root/clock.so CLOCK_OFFSET=${400 * DAY_S} openssl x509 -in todo.crt -signkey todo.key -days 365 -out new.crt
    cat new.crt >todo.crt; rm new.crt`,
  );
  assert.match(differences((await web.plan()).result).join('\n'), /^certificates\/todo: drifted: .*not valid before/m);
  await mustConverge(web);
  await web.host.sh('openssl verify -CAfile /etc/ssl/holdfast/todo.crt /etc/ssl/holdfast/todo.crt');
  assert.equal((await web.plan()).code, 0);
  t.diagnostic(differences(await at('run --once', -2)).join('\n'));
  await assertNextRunConverges(web);
  await siteAnswers(deployment);
}

/** By a clock that is so many days ahead. */
async function agentAt({ web }: Deployment, command: readonly string[], days: number): Promise<AgentResult['result']> {
  const { stdout, stderr } = await web.host.exec(['holdfast-agent', ...command, '--json'], {
    env: { LD_PRELOAD: '/root/clock.so', CLOCK_OFFSET: String(days * DAY_S) },
    timeout_ms: 120_000,
  });
  assert.ok(stdout.startsWith('{'), stderr);
  const result: AgentResult['result'] = JSON.parse(stdout);
  return result;
}

async function siteAnswers({ web }: Deployment): Promise<void> {
  assert.deepEqual(await todosOf(web.host.address), []);
}

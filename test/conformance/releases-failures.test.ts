import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, startHost } from '../hosts/host.ts';
import { AgentOnHost, resourceOf } from './agent-on-host.ts';
import { commit, prepareReleases, REPOSITORY, releasesImage, SOCKET, serving, todo } from './releases-host.ts';

const TIMEOUT_MS = 900_000;

/** Asks without a pause until it is stopped, and counts the answers that a visitor would have complained about. */
const VISITOR = `
bad=0; all=0
until [ -e /tmp/enough ]; do
  all=$((all+1))
  curl --silent --fail --max-time 10 --output /dev/null --unix-socket ${SOCKET} http://localhost/healthz || bad=$((bad+1))
done
echo "$bad of $all"`;

async function release(agent: AgentOnHost) {
  return resourceOf((await agent.run('--only', 'releases/todo')).result, 'releases/todo');
}

/** Starts a run and kills it with SIGKILL after a while: what it started dies with its process group or is on its own. */
async function killedRun(host: Host, delay_s: number): Promise<void> {
  await host.exec(['timeout', '--signal=KILL', String(delay_s), 'holdfast-agent', 'run', '--once'], {
    timeout_ms: 120_000,
  });
}

void test('releases: bad ones, killed runs and a remote that is away', { timeout: TIMEOUT_MS }, async (t) => {
  await using host = await startHost({ image: await releasesImage() });
  const agent = await AgentOnHost.install(host);
  await prepareReleases(host);
  await agent.writeManifest({ releases: { todo: todo() } });
  assert.equal((await release(agent)).status, 'changed');
  let good = await serving(host);

  await t.test('a new commit is switched to without a lost request', async () => {
    const next = await commit(host, 'echo "# two" >>todo/urls.py');
    const visitor = host.exec(['bash', '-c', VISITOR], { timeout_ms: 300_000 });
    const { status } = await release(agent);
    await host.sh('touch /tmp/enough');
    assert.equal(status, 'changed');
    assert.match((await visitor).stdout, /^0 of [1-9]/);
    assert.equal(await serving(host), next);
    good = next;
  });

  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['cannot be imported', 'echo "import nothing_of_the_sort" >>todo/urls.py', /nothing_of_the_sort/],
    [
      'names a package that nobody has',
      'sed -i "1i no-such-package==1.0 --hash=sha256:00" requirements.txt',
      /requirements could not be installed/,
    ],
    [
      'has a migration that fails',
      'printf "from django.db import migrations\\nclass Migration(migrations.Migration):\\n    dependencies = [(\\"todos\\", \\"0001_initial\\")]\\n    operations = [migrations.RunSQL(\\"select broken\\")]\\n" >todos/migrations/0002_bad.py',
      /migrations could not be applied/,
    ],
    ['answers with an error', `sed -i 's/return answer(200/return answer(500/' todos/health.py`, /answered 500/],
    ['does not start', 'echo "raise SystemExit(3)" >>todo/wsgi.py', /does not stay up|nothing listens|not healthy/],
    ['has a symlink to the outside', 'ln -s /etc/shadow secrets', /symlink secrets leads out/],
  ];
  for (const [name, script, reason] of bad) {
    await t.test(`a commit that ${name} takes no request and is not tried twice`, async () => {
      const condemned = await commit(host, script);
      const found = await release(agent);
      assert.equal(found.status, 'stalled', JSON.stringify(found));
      assert.match(found.error ?? '', reason);
      assert.match(found.error ?? '', new RegExp(`^${condemned} .*quarantine`));
      assert.equal(await serving(host), good);
      const again = await release(agent);
      assert.equal(again.status, 'stalled');
      assert.ok(
        again.changes.some((change) => change.summary.includes(`${condemned} is in quarantine, ${good} keeps running`)),
      );
      await host.sh(`cd ${REPOSITORY}; git reset --quiet --hard HEAD~1`);
    });
  }

  await t.test('a release that turns bad after the switch gives way to the one before', async () => {
    const turning = await commit(
      host,
      `sed -i 's/^def read_one_todo():/def read_one_todo():\\n    import pathlib\\n    assert not pathlib.Path("\\/tmp\\/turn-bad").exists()/' todos/health.py`,
    );
    assert.equal((await release(agent)).status, 'changed');
    assert.equal(await serving(host), turning);
    await host.sh('touch /tmp/turn-bad');
    const found = await release(agent);
    assert.equal(found.status, 'stalled', JSON.stringify(found));
    assert.match(found.error ?? '', new RegExp(`${turning} turned bad after the switch.*${good} runs again`, 's'));
    assert.equal(await serving(host), good);
    await host.sh(`rm /tmp/turn-bad; cd ${REPOSITORY}; git reset --quiet --hard HEAD~1`);
  });

  await t.test('a branch that is mended is deployed', async () => {
    good = await commit(host, 'echo "# mended" >>todo/urls.py');
    assert.equal((await release(agent)).status, 'changed');
    assert.equal(await serving(host), good);
  });

  await t.test('the remote is away: what runs goes on and is kept so', async () => {
    await host.sh(`mv ${REPOSITORY} ${REPOSITORY}.away; supervisorctl stop todo-blue todo-green || true`);
    assert.equal((await release(agent)).status, 'changed');
    assert.equal(await serving(host), good);
    await host.sh(`mv ${REPOSITORY}.away ${REPOSITORY}`);
  });

  await t.test('the branch is forced back, and the release that is still there runs again', async () => {
    const back = (
      await host.sh(`cd ${REPOSITORY}; git reset --quiet --hard HEAD~1; git rev-parse --short=12 HEAD`)
    ).trim();
    assert.equal((await release(agent)).status, 'changed');
    assert.equal(await serving(host), back);
    good = back;
  });

  await t.test('a host that was restarted serves before the agent has looked', async () => {
    await host.restart();
    await host.sh(
      `until curl --silent --fail --unix-socket ${SOCKET} http://localhost/healthz >/dev/null; do sleep 0.2; done`,
    );
    assert.equal(await serving(host), good);
    const left = resourceOf((await agent.plan()).result, 'releases/todo').changes.map((change) => change.summary);
    assert.deepEqual(left, []);
  });
});

void test('releases: a run that is killed at any moment of a deploy leaves what the next one completes', async (t) => {
  await using host = await startHost({ image: await releasesImage() });
  const agent = await AgentOnHost.install(host);
  await prepareReleases(host);
  await agent.writeManifest({ releases: { todo: todo() } });
  assert.equal((await release(agent)).status, 'changed');

  for (const [at, delay_s] of [0.4, 1, 2, 3, 5, 8, 12].entries()) {
    await t.test(`after ${delay_s} s`, { timeout: TIMEOUT_MS }, async () => {
      const good = await serving(host);
      const script = `echo "# ${delay_s}" >>todo/urls.py${at % 3 === 0 ? `; echo "# ${delay_s}" >>requirements.txt` : ''}`;
      const next = await commit(host, script);
      await killedRun(host, delay_s);
      const between = await serving(host);
      assert.ok(between === good || between === next, `${between} serves`);
      const { status, error } = await release(agent);
      assert.ok(status === 'changed' || status === 'converged', error);
      assert.equal(await serving(host), next);
      assert.equal((await agent.plan()).code, 0);
    });
  }
});

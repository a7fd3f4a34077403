import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RolloutEvent } from '../../../../controller/git/ports.ts';
import type { RevisionRow } from '../../../../controller/store/revisions.ts';
import { until } from '../bench.ts';
import { type GitBench, startGitBench, WorkTree } from './bench.ts';

const STOPPED = 'services:\n  nginx: stopped\n';

test('a push tells what it will do and then what becomes of it, and the rollout begins once', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  bench.fleet.plan = () => [
    {
      host: 'web-1',
      source: 'agent',
      changes: [
        { kind: 'files', name: '/etc/a', summary: 'create', hazard: 'none' },
        { kind: 'files', name: '/etc/b', summary: 'create', hazard: 'none' },
        { kind: 'nginx', name: 'nginx', summary: 'rewrite todo, reload', hazard: 'reload' },
      ],
    },
    { host: 'db-1', source: 'agent', changes: [] },
  ];
  bench.fleet.events = async function* (): AsyncGenerator<RolloutEvent> {
    yield { type: 'converged', host: 'web-1', took_ms: 812 };
    yield { type: 'ended', state: 'done', why: undefined };
  };
  const { code, remote } = await work.push(bench.url());
  assert.equal(code, 0);
  assert.deepEqual(remote.slice(0, -1), [
    'web-1: 2 files, 1 nginx reload, no restart',
    'db-1: nothing',
    'accepted; Ctrl-C only lets go of this terminal',
    'web-1 converged in 0.8 s',
  ]);
  assert.match(remote.at(-1) ?? '', /^done: 1 host in \d+\.\d s$/);
  const revision = await work.git('rev-parse', 'HEAD');
  assert.deepEqual(bench.fleet.begun, [{ revision, by: 'token:ann-deploy', compiled: true }]);
  assert.equal(await bench.hosting.repository.fetch(), revision);
  await until('it is audited', async () => (await bench.audited()).some(({ action }) => action === 'push'));
  assert.deepEqual(await bench.audited(), [{ action: 'push', actor: 'token:ann-deploy', subject: revision }]);
});

test('a broken tree is refused with every issue, and neither the branch nor a host hears of it', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context, {
    'roles/web.yaml': 'services:\n  nginx: running\npakages: { nginx: present }\n',
    'roles/db.yaml': 'services:\n  postgresql: { stat: running }\n',
  });
  const { code, text, remote } = await work.push(bench.url());
  assert.equal(code, 1);
  assert.deepEqual(remote, [
    'desired-state/roles/db.yaml:2:17 unknown key "stat", did you mean "state"?',
    'desired-state/roles/web.yaml:3:1 unknown key "pakages", did you mean "packages"?',
    '2 issues: nothing was changed',
  ]);
  assert.match(text, /\[remote rejected\] HEAD -> main \(pre-receive hook declined\)/);
  await assert.rejects(bench.hosting.repository.fetch(), /nothing has been pushed yet/);
  assert.deepEqual(bench.fleet.begun, []);
  const [refused] = await bench.audited();
  assert.equal(refused?.action, 'push.refused');
  assert.equal(await work.git('rev-parse', 'HEAD'), refused?.subject);
});

test('of a push that is refused it is kept who wanted it, when and why, though its commit is nowhere', async (context) => {
  const began_ms = Date.now();
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  await work.push(bench.url());
  const broken = await work.commit({ 'roles/web.yaml': 'pakages: { nginx: present }\n' }, 'More workers');
  assert.equal((await work.push(bench.url())).code, 1);
  const [first, ...others] = await refusedOf(bench);
  const { seen_ms, ...kept } = first ?? assert.fail('it is not kept');
  assert.deepEqual(kept, {
    revision: broken,
    state: 'refused',
    pushedBy: 'token:ann-deploy',
    pushedFrom: '127.0.0.1',
    subject: 'More workers',
    issues: [
      {
        file: 'desired-state/roles/web.yaml',
        line: 1,
        column: 1,
        message: 'unknown key "pakages", did you mean "packages"?',
        hosts: [],
      },
    ],
  });
  assert.ok(seen_ms >= began_ms && seen_ms <= Date.now());
  assert.deepEqual(others, []);
  assert.equal(await bench.hosting.repository.has(broken), false);
  // Pushed by another one, it is the other one who was refused last.
  await work.push(bench.url('admin'));
  assert.deepEqual(
    (await refusedOf(bench)).map(({ pushedBy }) => pushedBy),
    ['token:ann-admin'],
  );
});

test('what is refused before its tree is read is kept as well; previews and what is no commit are not', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  await work.push(bench.url());
  await work.git('tag', '--annotate', '--message', 'a tag', 'v1');
  assert.equal((await work.push(bench.url(), 'v1:refs/heads/main')).code, 1);
  await work.commit({ 'roles/web.yaml': 'servces: {}\n' });
  assert.equal((await work.push(bench.url(), 'HEAD:preview/try')).code, 1);
  assert.equal((await work.push(bench.url(), 'HEAD:other')).code, 1);
  assert.deepEqual(await refusedOf(bench), []);
  await work.git('reset', '--quiet', '--hard', 'HEAD~1');
  await work.git('commit', '--quiet', '--amend', '--message', 'rewritten');
  assert.equal((await work.push(bench.url(), '--force', 'HEAD:main')).code, 1);
  const [refused] = await refusedOf(bench);
  assert.deepEqual([refused?.revision, refused?.subject], [await work.git('rev-parse', 'HEAD'), 'rewritten']);
  assert.match(refused?.issues[0]?.message ?? '', /^this rewrites "main": /);
});

async function refusedOf(bench: GitBench): Promise<readonly RevisionRow[]> {
  return (await bench.revisions()).filter(({ state }) => state === 'refused');
}

test('only the served branch and previews can be pushed, one at a time, and nothing can be deleted', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  await work.push(bench.url());
  const other = await work.push(bench.url(), 'HEAD:other');
  assert.equal(other.code, 1);
  assert.match(other.remote[0] ?? '', /^"other" is not served, only "main" is: git push origin HEAD:main/);
  const tag = await work.push(bench.url(), 'HEAD:refs/tags/v1');
  assert.equal(tag.code, 1);
  const two = await work.push(bench.url(), 'HEAD:preview/a', 'HEAD:preview/b');
  assert.match(two.remote[0] ?? '', /^one branch at a time, not 2/);
  const deleted = await work.push(bench.url('admin'), ':main');
  assert.equal(deleted.code, 1);
  assert.match(deleted.remote[0] ?? '', /cannot be deleted/);
  const hidden = await work.push(bench.url('admin'), 'HEAD:refs/holdfast/kept/x');
  assert.equal(hidden.code, 1);
  assert.equal(await bench.hosting.repository.fetch(), await work.git('rev-parse', 'HEAD'));
  assert.equal(bench.fleet.begun.length, 1);
});

test('a rewritten branch takes the role admin, and what it replaces stays readable', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  const first = await work.commit({ 'roles/web.yaml': STOPPED });
  await work.push(bench.url());
  await work.git('commit', '--quiet', '--amend', '--message', 'rewritten');
  const plain = await work.push(bench.url());
  assert.equal(plain.code, 1);
  const refused = await work.push(bench.url(), '--force', 'HEAD:main');
  assert.equal(refused.code, 1);
  assert.match(refused.remote.join('\n'), /^this rewrites "main": .*\n.*role admin/);
  const forced = await work.push(bench.url('admin'), '--force', 'HEAD:main');
  assert.equal(forced.code, 0, forced.text);
  const { repository } = bench.hosting;
  assert.equal(await repository.fetch(), await work.git('rev-parse', 'HEAD'));
  await repository.run(['reflog', 'expire', '--expire=now', '--expire-unreachable=now', '--all']);
  await repository.run(['gc', '--quiet', '--prune=now']);
  assert.equal((await repository.readTree(first)).get('roles/web.yaml')?.type, 'file');
});

test('a preview prints the diffs, changes nothing, and leaves no ref', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  await work.push(bench.url());
  await work.commit({ 'roles/web.yaml': STOPPED });
  bench.fleet.plan = () => [
    {
      host: 'web-1',
      source: 'agent',
      changes: [
        {
          kind: 'files',
          name: '/etc/a',
          summary: 'rewrite',
          diff: '--- /etc/a\n+++ /etc/a\n-old\n+new\n',
          hazard: 'none',
        },
        { kind: 'services', name: 'nginx', summary: 'stop', hazard: 'restart' },
      ],
    },
    { host: 'db-1', source: 'agent', changes: [] },
  ];
  const { code, remote, text } = await work.push(bench.url(), 'HEAD:preview/try');
  assert.equal(code, 0, text);
  assert.deepEqual(remote, [
    'web-1: files//etc/a: rewrite',
    '  --- /etc/a',
    '  +++ /etc/a',
    '  -old',
    '  +new',
    'web-1: services/nginx: stop [restart]',
    'web-1: 1 file, 1 service restart',
    'db-1: nothing',
    'this was a preview: nothing was changed',
  ]);
  assert.equal(bench.fleet.begun.length, 1);
  const refs = await bench.hosting.repository.run(['for-each-ref', '--format=%(refname)', 'refs/heads']);
  assert.equal(refs, 'refs/heads/main');
  const again = await work.push(bench.url(), 'HEAD:preview/try');
  assert.equal(again.code, 0, again.text);
  await work.commit({ 'roles/web.yaml': 'servces: {}\n' });
  const broken = await work.push(bench.url(), 'HEAD:preview/try');
  assert.equal(broken.code, 1);
  assert.match(broken.remote[0] ?? '', /web\.yaml:1:1 unknown key "servces"/);
});

test('Ctrl-C lets go of the terminal while the rollout goes on', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  let left: AbortSignal | undefined;
  bench.fleet.events = async function* (_revision, signal): AsyncGenerator<RolloutEvent> {
    left = signal;
    yield { type: 'note', text: 'wave 1 of 2' };
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve, { once: true });
    });
  };
  const push = work.tryGit(['push', bench.url(), 'HEAD:main']);
  await push.said(/wave 1 of 2/);
  push.interrupt();
  const { code } = await push.ended;
  assert.notEqual(code, 0);
  await until('the controller has noticed', () => left?.aborted === true);
  const revision = await work.git('rev-parse', 'HEAD');
  assert.equal(await bench.hosting.repository.fetch(), revision);
  assert.deepEqual(
    bench.fleet.begun.map((one) => one.revision),
    [revision],
  );
});

test('Ctrl-C before the push is accepted changes nothing', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  const planning = Promise.withResolvers<void>();
  const going = Promise.withResolvers<void>();
  const { plan } = bench.fleet;
  bench.fleet.plan = (compilation) => {
    planning.resolve();
    return plan(compilation);
  };
  // The bench's planner is asked in the middle of the hook: hold it there.
  bench.fleet.hold = going.promise;
  const push = work.tryGit(['push', bench.url(), 'HEAD:main']);
  await planning.promise;
  push.interrupt();
  await push.ended;
  going.resolve();
  await assert.rejects(bench.hosting.repository.fetch(), /nothing has been pushed yet/);
  await until('the quarantine is gone', async () => {
    const objects = await bench.hosting.repository.run(['count-objects', '-v']);
    return /count: 0\n/.test(objects) && /in-pack: 0\n/.test(objects);
  });
  assert.deepEqual(bench.fleet.begun, []);
});

test('of two pushes that meet one wins, and the other is told to fetch', async (context) => {
  const bench = await startGitBench(context);
  const [one, two] = await Promise.all([WorkTree.create(context), WorkTree.create(context)]);
  await one.push(bench.url());
  await two.git('fetch', '--quiet', bench.url(), 'main');
  await two.git('reset', '--quiet', '--hard', 'FETCH_HEAD');
  await one.commit({ 'roles/web.yaml': STOPPED });
  await two.commit({ 'roles/db.yaml': 'services: { postgresql: stopped }\n' });
  const ends = await Promise.all([one.push(bench.url()), two.push(bench.url())]);
  assert.equal(ends.filter(({ code }) => code === 0).length, 1);
  const winner = ends[0]?.code === 0 ? one : two;
  assert.equal(await bench.hosting.repository.fetch(), await winner.git('rev-parse', 'HEAD'));
  assert.equal(bench.fleet.begun.length, 2);
});

test('what was pushed while nobody could begin it is begun at the next start', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  await work.push(bench.url());
  await bench.hosting.close();
  const revision = await work.commit({ 'roles/web.yaml': STOPPED });
  const offline = await work.push(bench.hosting.repository.path);
  assert.equal(offline.code, 1);
  assert.match(offline.remote[0] ?? '', /the controller does not run .*: nothing was changed/);
  await work.git(
    '-c',
    'core.hooksPath=/nowhere',
    'push',
    '--quiet',
    '--receive-pack=git -c core.hooksPath=/nowhere receive-pack',
    bench.hosting.repository.path,
    'HEAD:main',
  );
  const again = await startGitBench(context, { stateDirectory: bench.stateDirectory });
  await until('it is begun', () => again.fleet.begun.length === 1);
  assert.deepEqual(again.fleet.begun, [{ revision, by: 'controller', compiled: false }]);
  await again.close();
});

test('a push by path goes through the same hooks, in the name of the user', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context, { 'roles/web.yaml': 'servces: {}\n' });
  const push = (): ReturnType<WorkTree['push']> =>
    work.tryGit(['push', bench.hosting.repository.path, 'HEAD:main'], { USER: 'carol' }).ended;
  const broken = await push();
  assert.equal(broken.code, 1);
  assert.match(broken.remote[0] ?? '', /roles\/web\.yaml:1:1 unknown key "servces", did you mean "services"\?/);
  await work.commit({ 'roles/web.yaml': STOPPED });
  const mended = await push();
  assert.equal(mended.code, 0, mended.text);
  assert.deepEqual(
    bench.fleet.begun.map(({ by }) => by),
    ['user:carol'],
  );
});

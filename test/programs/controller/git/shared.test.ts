import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { until } from '../bench.ts';
import { startGitBench, WorkTree } from './bench.ts';

const STOPPED = 'services:\n  nginx: stopped\n';

test('a push to one controller is the branch of the other, and is begun there, too, so that either may die', async (context) => {
  const one = await startGitBench(context, { sharing: true });
  const two = await startGitBench(context, { sharing: true, store: one.store, trustDirectory: one.stateDirectory });
  const work = await WorkTree.create(context);
  const pushed = await work.push(one.url());
  assert.equal(pushed.code, 0, pushed.text);
  const first = await work.git('rev-parse', 'HEAD');
  await until('the other one has begun it', () => two.fleet.begun.length === 1);
  assert.equal(await two.hosting.repository.fetch(), first);
  assert.equal((await two.hosting.readTree(first)).size, 5);
  const second = await work.commit({ 'roles/web.yaml': STOPPED });
  const back = await work.push(two.url());
  assert.equal(back.code, 0, back.text);
  await until('it came back', () => one.fleet.begun.length === 2);
  assert.equal(await one.hosting.repository.fetch(), second);
  assert.deepEqual(
    one.fleet.begun.map(({ compiled }) => compiled),
    [true, false],
  );
  await work.git('reset', '--quiet', '--hard', first);
  const other = await work.commit({ 'roles/db.yaml': 'services: { postgresql: stopped }\n' });
  assert.equal((await work.push(one.url('admin'), '--force', 'HEAD:main')).code, 0);
  await until('a rewritten branch as well', () => two.fleet.begun.length === 3);
  assert.equal(await two.hosting.repository.fetch(), other);
});

test('of two pushes that meet at two controllers one wins, and the other is told to fetch', async (context) => {
  const one = await startGitBench(context, { sharing: true });
  const two = await startGitBench(context, { sharing: true, store: one.store, trustDirectory: one.stateDirectory });
  const [ann, bob] = await Promise.all([WorkTree.create(context), WorkTree.create(context)]);
  assert.equal((await ann.push(one.url())).code, 0);
  await until('both have it', () => two.fleet.begun.length === 1);
  await bob.git('fetch', '--quiet', two.url(), 'main');
  await bob.git('reset', '--quiet', '--hard', 'FETCH_HEAD');
  await ann.commit({ 'roles/web.yaml': STOPPED });
  await bob.commit({ 'roles/db.yaml': 'services: { postgresql: stopped }\n' });
  // Both are in the middle of their push before either is accepted.
  const held = [one, two].map(({ fleet }) => {
    const asked = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const { plan } = fleet;
    fleet.plan = (compilation) => {
      asked.resolve();
      return plan(compilation);
    };
    fleet.hold = go.promise;
    return { asked: asked.promise, go: go.resolve };
  });
  const pushes = [ann.push(one.url()), bob.push(two.url())];
  await Promise.all(held.map(({ asked }) => asked));
  for (const { go } of held) go();
  const ends = await Promise.all(pushes);
  assert.equal(ends.filter(({ code }) => code === 0).length, 1);
  const winner = await (ends[0]?.code === 0 ? ann : bob).git('rev-parse', 'HEAD');
  const loser = ends.find(({ code }) => code !== 0);
  assert.equal(loser?.remote.at(-1), 'another push came first: git pull, and push again');
  for (const { hosting } of [one, two]) {
    await until('both have the one that won', async () => (await hosting.repository.fetch()) === winner);
  }
});

test('a controller that was away, or has lost its disk, catches up when it starts', async (context) => {
  const one = await startGitBench(context, { sharing: true });
  const shared = { sharing: true, store: one.store, trustDirectory: one.stateDirectory } as const;
  const two = await startGitBench(context, shared);
  const work = await WorkTree.create(context);
  await work.push(one.url());
  await until('it has the first', () => two.fleet.begun.length === 1);
  await two.close();
  for (const text of ['stopped', 'running', 'stopped']) {
    await work.commit({ 'roles/web.yaml': `services:\n  nginx: ${text}\n` });
    assert.equal((await work.push(one.url())).code, 0);
  }
  const tip = await work.git('rev-parse', 'HEAD');
  const back = await startGitBench(context, { ...shared, stateDirectory: two.stateDirectory });
  assert.equal(await back.hosting.repository.fetch(), tip);
  await until('it is begun', () => back.fleet.begun.length === 1);
  await back.close();
  await rm(two.stateDirectory, { recursive: true });
  const anew = await startGitBench(context, { ...shared, stateDirectory: two.stateDirectory });
  assert.equal(await anew.hosting.repository.fetch(), tip);
  assert.equal(await anew.hosting.repository.run(['rev-list', '--count', tip]), '4');
  await anew.close();
});

import assert from 'node:assert/strict';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { listRevisions } from '../../../controller/store/revisions.ts';
import { good, treeOf } from '../../unit/compile/tree.ts';
import { startBench, until } from './bench.ts';
import { scratch, TestRepository } from './git.ts';

const ANN = { actor: 'token:ann', role: 'deploy', address: undefined } as const;
const BROKEN = 'services:\n  nginx: { stat: running }\n';
const STOPPED = 'services:\n  nginx: stopped\n';

test('the first revision is served', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  assert.deepEqual((await bench.intake.refresh()).changed, ['db-1', 'web-1']);
  const { status, revision, body } = await bench.manifest('web-1');
  assert.equal(status, 200);
  assert.equal(revision, await repository.git('rev-parse', 'HEAD'));
  assert.equal(JSON.parse(body).host, 'web-1');
});

test('a broken revision is refused while the last good one goes on being served, and the status says so', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const before = await bench.manifest('web-1');
  const broken = await repository.commit({ 'roles/web.yaml': BROKEN });
  await bench.intake.refresh();
  assert.deepEqual(await bench.manifest('web-1'), before);
  const status = (await bench.inject('/v1/status')).json();
  assert.equal(status.wanted.revision, broken);
  assert.equal(status.wanted.refused, true);
  assert.equal(status.served.revision, before.revision);
  assert.match(status.whyDifferent, /is refused for 1 issue; revision .* is served on/);
  assert.equal(status.issues[0].text, 'desired-state/roles/web.yaml:2:12 unknown key "stat", did you mean "state"?');
  const mended = await repository.commit({ 'roles/web.yaml': STOPPED });
  assert.deepEqual((await bench.intake.refresh()).changed, ['web-1']);
  assert.equal((await bench.manifest('web-1')).revision, mended);
  assert.equal((await bench.inject('/v1/status')).json().whyDifferent, undefined);
});

test('a host that a new revision means the same for keeps its manifest to the letter', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const before = await bench.manifest('db-1');
  const revision = await repository.commit({ 'roles/web.yaml': STOPPED });
  assert.deepEqual((await bench.intake.refresh()).changed, ['web-1']);
  const after = await bench.manifest('db-1');
  assert.deepEqual([after.body, after.etag], [before.body, before.etag]);
  assert.equal(after.revision, revision, 'and is told which revision means the same');
});

test('the last good revision survives a restart, without the repository, and a damaged secrets file', async (context) => {
  const repository = await TestRepository.create(context);
  await repository.commit({ 'roles/web.yaml': 'files:\n  /etc/key: { content: !secret api_key }\n' });
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const before = await bench.manifest('web-1');
  assert.equal(before.status, 200);
  await rename(repository.path, `${repository.path}.gone`);
  const restarted = await startBench(context, repository.path, {
    stateDirectory: bench.stateDirectory,
    store: bench.store,
  });
  await restarted.writeSecrets('[\n');
  assert.deepEqual(await restarted.manifest('web-1'), before);
  await restarted.intake.refresh();
  assert.deepEqual(await restarted.manifest('web-1'), before);
  assert.match(
    restarted.intake.trouble?.message ?? '',
    /cannot look at main of .*does not (?:appear to be a git repository|exist)/,
  );
});

test('a broken revision is still refused after a restart', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const before = await bench.manifest('web-1');
  const broken = await repository.commit({ 'roles/web.yaml': BROKEN });
  const restarted = await startBench(context, repository.path, {
    stateDirectory: bench.stateDirectory,
    store: bench.store,
  });
  await restarted.intake.refresh();
  assert.deepEqual(await restarted.manifest('web-1'), before);
  assert.equal(restarted.intake.wanted?.revision, broken);
});

test('a revision that is refused is kept once, whether its tree is broken or it is not signed', async (context) => {
  const repository = await TestRepository.create(context);
  const allowedSigners = join(await scratch(context), 'allowed-signers');
  await writeFile(allowedSigners, '');
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const broken = await repository.commit({ 'roles/web.yaml': BROKEN });
  const { now_ms } = bench.clock;
  for (let look = 0; look < 3; look += 1) {
    await bench.intake.refresh();
    bench.clock.now_ms += 60_000;
  }
  const unsigned = await repository.commit({ 'roles/web.yaml': STOPPED });
  const { store } = bench;
  const signed = await startBench(context, repository.path, { store, allowedSigners });
  for (let look = 0; look < 3; look += 1) {
    await signed.intake.refresh();
    signed.clock.now_ms += 60_000;
  }
  const refused = (await listRevisions(store.db, 10)).filter(({ state }) => state === 'refused');
  assert.deepEqual(new Set(refused.map(({ revision }) => revision)), new Set([broken, unsigned]));
  for (const { pushedBy, seen_ms } of refused) assert.deepEqual([pushedBy, seen_ms], ['mirror', now_ms]);
  const why = new Map(refused.map(({ revision, issues }) => [revision, issues[0]?.message]));
  assert.match(why.get(broken) ?? '', /unknown key "stat"/);
  assert.match(why.get(unsigned) ?? '', /^commit \w+ "test" by test is not signed/);
});

test('a force-pushed branch is a revision like any other, backwards too', async (context) => {
  const repository = await TestRepository.create(context);
  const first = await repository.git('rev-parse', 'HEAD');
  await repository.commit({ 'roles/web.yaml': STOPPED });
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const sequence = bench.intake.served?.sequence ?? 0;
  await repository.git('reset', '--quiet', '--hard', first);
  await bench.intake.refresh();
  assert.equal(bench.intake.served?.revision, first);
  assert.equal((await bench.manifest('web-1')).revision, first);
  assert.ok((bench.intake.served?.sequence ?? 0) > sequence, 'a rollback has a higher sequence');
  await repository.git('checkout', '--quiet', '--orphan', 'other');
  const unrelated = await repository.commit({ 'roles/web.yaml': STOPPED });
  await repository.git('branch', '--force', 'main', 'other');
  await bench.intake.refresh();
  assert.equal(bench.intake.served?.revision, unrelated);
});

test('a repository that is gone, a branch that is gone, and one that comes back', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const before = await bench.manifest('web-1');
  await repository.git('branch', '--move', 'main', 'other');
  await bench.intake.refresh();
  assert.match(bench.intake.trouble?.message ?? '', /has no branch "main"/);
  assert.deepEqual(await bench.manifest('web-1'), before);
  await repository.git('branch', '--move', 'other', 'main');
  await repository.commit({ 'roles/web.yaml': STOPPED });
  await bench.intake.refresh();
  assert.equal(bench.intake.trouble, undefined);
  assert.notEqual((await bench.manifest('web-1')).etag, before.etag);
});

test('of two pushes in one second the last one is served, and refreshes meanwhile are shared', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  const running = bench.intake.refresh();
  await repository.commit({ 'roles/web.yaml': STOPPED });
  const last = await repository.commit({ 'roles/db.yaml': 'services: { postgresql: stopped }\n' });
  const looks = Array.from({ length: 100 }, () => bench.intake.refresh());
  assert.equal(new Set(looks).size, 1);
  await Promise.all([running, ...looks]);
  assert.equal(bench.intake.served?.revision, last);
});

test('another secret makes another manifest without a push', async (context) => {
  const repository = await TestRepository.create(context);
  await repository.commit({ 'roles/web.yaml': 'files:\n  /etc/key: { content: !secret api_key }\n' });
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const before = await bench.manifest('web-1');
  await bench.writeSecrets('api_key: another-one-entirely\n');
  assert.deepEqual((await bench.intake.refresh()).changed, ['web-1']);
  const after = await bench.manifest('web-1');
  assert.notEqual(after.etag, before.etag);
  assert.match(after.body, /another-one-entirely/);
});

test('what changes between the check of a push and its beginning is part of what hosts get', async (context) => {
  const web = { 'roles/web.yaml': 'files:\n  /etc/key: { content: !secret api_key }\n' };
  const repository = await TestRepository.create(context);
  await repository.commit(web);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  await repository.git('checkout', '--quiet', '-b', 'pushed');
  const db = { 'roles/db.yaml': 'services: { postgresql: stopped }\n' };
  const revision = await repository.commit(db);
  const checked = await bench.intake.compile(treeOf({ ...good, ...web, ...db }), revision);
  await bench.writeSecrets('api_key: another-one-entirely\n');
  await bench.intake.refresh();
  await repository.git('branch', '--force', 'main', revision);
  await bench.intake.bring({ revision, subject: '', by: ANN }, checked);
  const isThere = async (): Promise<boolean> => (await bench.manifest('web-1')).body.includes('another-one-entirely');
  await until(
    'the host has the other secret',
    async () => (await isThere()) && bench.intake.served?.revision === revision,
  );
  await bench.intake.idle();
  assert.equal(await isThere(), true);
});

test('a secret that goes away breaks the revision and not the hosts', async (context) => {
  const repository = await TestRepository.create(context);
  await repository.commit({ 'roles/web.yaml': 'files:\n  /etc/key: { content: !secret api_key }\n' });
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const before = await bench.manifest('web-1');
  await bench.writeSecrets('other: text\n');
  await bench.intake.refresh();
  assert.deepEqual(await bench.manifest('web-1'), before);
  assert.match(bench.intake.wanted?.issues[0]?.message ?? '', /unknown secret "api_key"/);
});

test('a revision without hosts takes nobody the manifest away', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  await repository.git('rm', '--quiet', '-r', 'desired-state/hosts');
  await repository.commit({});
  await bench.intake.refresh();
  assert.equal((await bench.manifest('web-1')).status, 200);
  assert.match(bench.intake.wanted?.issues[0]?.message ?? '', /there is no host/);
});

test('a host that leaves the desired state is no longer served', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  await repository.git('rm', '--quiet', 'desired-state/hosts/web-1.yaml');
  await repository.commit({});
  assert.deepEqual((await bench.intake.refresh()).changed, ['web-1']);
  assert.equal((await bench.manifest('web-1')).status, 404);
});

test('symbolic links, submodules and binary files in git are what they are', async (context) => {
  const repository = await TestRepository.create(context);
  await repository.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},desired-state/files/module`);
  await repository.git('commit', '--quiet', '--message', 'submodule');
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  assert.deepEqual(
    bench.intake.wanted?.issues.map((issue) => `${issue.file} ${issue.message}`),
    ['desired-state/files/module a git submodule, which is not read'],
  );
});

test('what a killed git leaves in the copy is cleared at the next start', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  await writeFile(join(bench.stateDirectory, 'repository.git/refs/holdfast/fetched.lock'), '');
  await writeFile(join(bench.stateDirectory, 'repository.git/config.lock'), '');
  const last = await repository.commit({ 'roles/web.yaml': STOPPED });
  const restarted = await startBench(context, repository.path, {
    stateDirectory: bench.stateDirectory,
    store: bench.store,
  });
  await restarted.intake.refresh();
  assert.equal(restarted.intake.served?.revision, last);
});

test('a copy whose objects are damaged is made anew', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const objects = join(bench.stateDirectory, 'repository.git/objects');
  for (const name of await readdir(objects, { recursive: true, withFileTypes: true })) {
    if (name.isFile()) await rm(join(name.parentPath, name.name));
  }
  await bench.writeSecrets('api_key: makes-it-compile-again\n');
  const last = await repository.commit({ 'roles/web.yaml': STOPPED });
  await bench.intake.refresh();
  assert.equal(bench.intake.served?.revision, last);
});

test('no secret stands in the status, though one is part of an issue', async (context) => {
  const repository = await TestRepository.create(context);
  await repository.commit({ 'roles/web.yaml': 'files:\n  /etc/key: { content: x, owner: !secret api_key }\n' });
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  assert.equal(bench.intake.wanted?.issues.length, 1);
  assert.doesNotMatch((await bench.inject('/v1/status')).body, /0123456789abcdef/);
});

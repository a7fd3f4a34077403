import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RolloutEvent } from '../../../../controller/git/ports.ts';
import { CANARY, contents, converged, stateOf, treeOfWebs, World } from './service.ts';

test('a fleet whose agents have never called is given its manifests at once', async (context) => {
  const world = await World.create(context);
  const controller = await world.start();
  await world.push(controller, treeOfWebs(2, { rollout: CANARY }), 'r1');
  assert.equal(stateOf(controller), 'done: will get it when they call: db-1, web-1, web-2');
  assert.deepEqual(await contents(controller), { 'db-1': 'postgresql', 'web-1': 'one', 'web-2': 'one' });
});

test('canary, hold, the others; each host is served in its turn', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  await world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  assert.deepEqual(await contents(controller), {
    'db-1': 'postgresql',
    'web-1': 'two',
    'web-2': 'one',
    'web-3': 'one',
  });
  assert.deepEqual(controller.rollouts.withheld('web-2'), {
    revision: 'r2',
    state: 'running',
    reason: 'waits for wave 2 of 2 of dev/web',
  });
  assert.equal(controller.rollouts.withheld('web-1'), undefined);
  await world.report(controller, 'web-1');
  assert.equal((await contents(controller))['web-2'], 'one');
  await world.pass(controller, 10_000);
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'two', 'two', 'two']);
  await world.report(controller, 'web-2');
  await world.report(controller, 'web-3');
  assert.equal(stateOf(controller), 'done');
  assert.equal(controller.serving.get('db-1')?.newestRevision, 'r2', 'for which nothing has changed');
});

test('a canary that fails keeps the others as they are, and what fixes it is not kept waiting', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  await world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  await world.report(controller, 'web-1', 'failed');
  assert.equal(stateOf(controller), 'paused: web-1 failed: files//etc/motd: no space left');
  await world.pass(controller, 3_600_000, ['web-1', 'web-2', 'web-3']);
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'two', 'one', 'one']);
  await world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'three' }), 'r3');
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'three', 'one', 'one']);
  await world.report(controller, 'web-1');
  await world.pass(controller, 10_000, ['web-1', 'web-2', 'web-3']);
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'three', 'three', 'three']);
});

test('a revert gives back what was there, with a sequence that agents believe', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world, '{}');
  const first = controller.serving.get('web-1')?.sequence ?? 0;
  await world.push(controller, treeOfWebs(3, { content: 'two' }), 'r2');
  const second = controller.serving.get('web-1')?.sequence ?? 0;
  await world.push(controller, treeOfWebs(3), 'r3');
  const served = controller.serving.get('web-1');
  assert.ok(served);
  const text = JSON.parse(await controller.serving.text(served));
  assert.ok(first < second && second < served.sequence);
  assert.deepEqual([text.sequence, text.resources[0].spec.content], [served.sequence, 'one']);
});

test('a revision that is brought already is not brought again, also by a controller that has just started', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  const again = await world.push(controller, treeOfWebs(3, { rollout: CANARY }), 'r1');
  await controller.close();
  const other = await world.start();
  assert.equal((await world.push(other, treeOfWebs(3, { rollout: CANARY }), 'r1')).id, again.id);
  assert.equal((await other.rollouts.list(10)).length, 1);
});

test('a controller that is killed in the middle of a wave loses nothing', async (context) => {
  const world = await World.create(context);
  const first = await converged(world);
  await world.push(first, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  await first.close();
  const second = await world.start();
  assert.deepEqual(Object.values(await contents(second)), ['postgresql', 'two', 'one', 'one']);
  await world.report(second, 'web-1');
  await world.pass(second, 10_000, ['web-1', 'web-2', 'web-3']);
  for (const host of ['web-2', 'web-3']) await world.report(second, host);
  assert.equal(stateOf(second), 'done');
});

test('of two pushes at once the later one wins, and the hosts of the earlier come first', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  await Promise.all([
    world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2'),
    world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'three' }), 'r3'),
  ]);
  const [last, before] = await controller.rollouts.list(2);
  assert.deepEqual([last?.revision, last?.state], ['r3', 'running']);
  assert.deepEqual([before?.revision, before?.state, before?.why], ['r2', 'superseded', 'by revision r3']);
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'three', 'one', 'one']);
});

test('a host that leaves the desired state is served nothing any more', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world, '{}');
  await world.push(controller, treeOfWebs(2), 'r2');
  assert.deepEqual(Object.keys(await contents(controller)), ['db-1', 'web-1', 'web-2']);
  assert.equal(stateOf(controller), 'done');
});

test('resume goes on in spite of the failure', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  await world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  await assert.rejects(controller.rollouts.resume({ by: 'ann' }), /is running already/);
  await world.report(controller, 'web-1', 'failed');
  await controller.rollouts.resume({ by: 'ann' });
  assert.equal(stateOf(controller), 'running');
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'two', 'two', 'two']);
  await world.report(controller, 'web-2');
  await world.report(controller, 'web-3');
  assert.equal(stateOf(controller), 'done: failed, and accepted: web-1');
});

test('pause holds what waits until it is resumed', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  await world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  await controller.rollouts.pause({ by: 'ann', why: 'lunch' });
  await world.report(controller, 'web-1');
  await world.pass(controller, 60_000, ['web-1', 'web-2', 'web-3']);
  assert.equal(stateOf(controller), 'paused: by ann: lunch');
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'two', 'one', 'one']);
  await controller.rollouts.resume({ by: 'ann' });
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'two', 'two', 'two']);
});

test('abort leaves every host with what it has, and the revision is not begun again by itself', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  const tree = treeOfWebs(3, { rollout: CANARY, content: 'two' });
  await world.push(controller, tree, 'r2');
  await controller.rollouts.abort({ by: 'ann', why: 'looks wrong' });
  assert.equal(stateOf(controller), 'aborted: by ann: looks wrong');
  assert.match(
    controller.rollouts.withheld('web-2')?.reason ?? '',
    /waits for wave 2 of 2 of dev\/web; rollout 2 is aborted: by ann: looks wrong/,
  );
  await world.push(controller, tree, 'r2');
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'two', 'one', 'one']);
  await assert.rejects(controller.rollouts.resume({ by: 'ann' }), /no rollout is under way/);
  await world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'three' }), 'r3');
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'three', 'one', 'one']);
});

test('abort with rollback gives back what the hosts had', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  const tree = treeOfWebs(3, { rollout: CANARY, content: 'two' });
  await world.push(controller, tree, 'r2');
  const given = controller.serving.get('web-1')?.sequence ?? 0;
  await world.report(controller, 'web-1', 'failed');
  await controller.rollouts.abort({ by: 'ann', why: 'bad', rollback: true });
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'one', 'one', 'one']);
  assert.ok((controller.serving.get('web-1')?.sequence ?? 0) > given);
  assert.deepEqual(controller.rollouts.withheld('web-1'), {
    revision: 'r2',
    state: 'aborted',
    reason: 'rollout 2 is aborted: by ann: bad',
  });
  await world.report(controller, 'web-1');
  assert.equal(stateOf(controller), 'done');
  await world.push(controller, tree, 'r2');
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'one', 'one', 'one'], 'git still says r2');
});

test('a freeze holds the revision, and an operator may overrule it', async (context) => {
  const world = await World.create(context);
  const freeze = '{ freeze: [{ days: [mon], from: "09:00", to: "18:00", why: business hours }] }';
  const controller = await converged(world, '{}');
  await world.push(controller, treeOfWebs(3, { rollout: freeze, content: 'two' }), 'r2');
  assert.equal(stateOf(controller), 'frozen: frozen until 2026-11-23T18:00Z: business hours');
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'one', 'one', 'one']);
  await assert.rejects(controller.rollouts.resume({ by: 'ann' }), /resume it during the freeze/);
  await controller.rollouts.resume({ by: 'ann', ignoreFreeze: true });
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'two', 'two', 'two']);
});

test('other secrets go the way of a rollout', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  await world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'other' }), 'r1');
  const { rollout } = controller.rollouts.current ?? {};
  assert.deepEqual([rollout?.revision, rollout?.cause], ['r1', 'renewal']);
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'other', 'one', 'one']);
});

test('other addresses reach everybody at once: hosts that have the revision, and later those that wait for it', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  await world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  await controller.rollouts.renewFacts(world.compile(treeOfWebs(3, { rollout: CANARY, content: 'one-moved' }), 'r1'));
  await controller.rollouts.renewFacts(world.compile(treeOfWebs(3, { rollout: CANARY, content: 'two-moved' }), 'r2'));
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'two-moved', 'one-moved', 'one-moved']);
  await world.report(controller, 'web-1');
  await world.pass(controller, 10_000, ['web-1', 'web-2', 'web-3']);
  assert.deepEqual(Object.values(await contents(controller)), ['postgresql', 'two-moved', 'two-moved', 'two-moved']);
  for (const host of ['web-2', 'web-3']) await world.report(controller, host);
  assert.equal(stateOf(controller), 'done');
});

test('a database sets its new password before the application uses it', async (context) => {
  const world = await World.create(context);
  const controller = await world.start();
  const tree = (secret: string) => ({
    ...treeOfWebs(1),
    'roles/db.yaml': `postgres:\n  roles:\n    todo: { login: true, password: !secret ${secret} }\n`,
    'roles/web.yaml': [
      'releases:',
      '  todo:',
      '    repository: https://git.example/todo.git',
      '    python: { requirements: requirements.txt }',
      '    django: { settings: todo.settings }',
      '    gunicorn: { workers: 1 }',
      `    environment: { DATABASE_PASSWORD: !secret ${secret} }`,
      '',
    ].join('\n'),
  });
  await world.push(controller, tree('db_password'), 'r1');
  for (const host of ['db-1', 'web-1']) await world.report(controller, host);
  const before = controller.serving.get('web-1')?.etag;
  await world.push(controller, tree('api_key'), 'r2');
  assert.equal(controller.serving.get('web-1')?.etag, before, 'it waits for the database');
  await world.report(controller, 'db-1');
  assert.notEqual(controller.serving.get('web-1')?.etag, before);
  await world.report(controller, 'web-1');
  assert.equal(stateOf(controller), 'done');
});

test('who follows a rollout is told of waves, hosts and its end', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  await world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  const events: RolloutEvent[] = [];
  const following = (async () => {
    for await (const event of controller.rollouts.follow('r2', AbortSignal.timeout(10_000))) events.push(event);
  })();
  await world.report(controller, 'web-1');
  await world.pass(controller, 10_000, ['web-1', 'web-2', 'web-3']);
  await world.report(controller, 'web-2');
  await world.report(controller, 'web-3', 'failed');
  await following;
  assert.deepEqual(events, [
    { type: 'note', text: 'wave 1 of 2 of dev/web: web-1' },
    { type: 'converged', host: 'web-1', took_ms: 1 },
    { type: 'note', text: 'wave 2 of 2 of dev/web: web-2, web-3' },
    { type: 'converged', host: 'web-2', took_ms: 1 },
    { type: 'failed', host: 'web-3', why: 'files//etc/motd: no space left' },
    { type: 'ended', state: 'paused', why: 'web-3 failed: files//etc/motd: no space left' },
  ]);
});

test('each new state is told once', async (context) => {
  const world = await World.create(context);
  const controller = await converged(world);
  controller.states.length = 0;
  await world.push(controller, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  await world.report(controller, 'web-1', 'failed');
  await world.report(controller, 'web-1', 'failed');
  await world.report(controller, 'web-1');
  assert.deepEqual(
    controller.states.map(({ state }) => state),
    ['paused', 'running'],
  );
});

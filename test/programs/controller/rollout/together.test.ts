/** Controllers that share a database. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RolloutEvent } from '../../../../controller/git/ports.ts';
import { Pauses } from '../../../../controller/rollout/pauses.ts';
import { Previews } from '../../../../controller/rollout/previews.ts';
import { until } from '../bench.ts';
import { CANARY, contents, converged, quiet, stateOf, treeOfWebs, World } from './service.ts';

test('two controllers bring one push once, and go on for each other', async (context) => {
  const world = await World.create(context);
  const one = await converged(world);
  const two = await world.start();
  const tree = treeOfWebs(3, { rollout: CANARY, content: 'two' });
  await Promise.all([world.push(one, tree, 'r2'), world.push(two, tree, 'r2')]);
  assert.equal((await one.rollouts.list(10)).length, 2);
  await until('the other serves the canary', async () => (await contents(two))['web-1'] === 'two');
  await world.report(two, 'web-1');
  await Promise.all([world.pass(one, 10_000), world.pass(two, 10_000)]);
  await until('both serve the same', async () => {
    const [here, there] = [Object.values(await contents(one)), Object.values(await contents(two))];
    return here.join() === 'postgresql,two,two,two' && there.join() === here.join();
  });
  await world.report(one, 'web-2');
  await world.report(two, 'web-3');
  await until('both see it done', () => stateOf(one) === 'done' && stateOf(two) === 'done');
});

test('a push to one controller wakes the hosts that another one holds, and tells who follows it there', async (context) => {
  const world = await World.create(context);
  const one = await converged(world);
  const two = await world.start();
  two.woken.length = 0;
  const events: RolloutEvent[] = [];
  const following = (async () => {
    for await (const event of two.rollouts.follow('r2', AbortSignal.timeout(10_000))) events.push(event);
  })();
  await world.push(one, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  await until('the canary is woken there', () => two.woken.includes('web-1'));
  await until('the others are told there', () => two.woken.includes('web-2'));
  assert.equal(two.rollouts.withheld('web-2')?.reason, 'waits for wave 2 of 2 of dev/web');
  await world.report(two, 'web-1', 'failed');
  await following;
  assert.deepEqual(events.at(-1), {
    type: 'ended',
    state: 'paused',
    why: 'web-1 failed: files//etc/motd: no space left',
  });
  await until('it is paused here, too', () => stateOf(one).startsWith('paused'));
});

test('what a canary had before opens no wave at a controller that is not told what it is served', async (context) => {
  const world = await World.create(context);
  const one = await converged(world);
  const two = await world.start({ misses: 'served' });
  await world.push(one, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  await until('the other knows', () => two.rollouts.current?.hosts.get('web-1')?.state !== 'converged');
  const version = (): unknown => two.rollouts.current?.rollout.version;
  await until('it knows all of it', () => version() === one.rollouts.current?.rollout.version);
  await world.pass(two, 10_000);
  assert.deepEqual(Object.values(await contents(one)), ['postgresql', 'two', 'one', 'one']);
  assert.equal(two.rollouts.current?.hosts.get('web-1')?.state, 'offered');
  await world.report(two, 'web-1');
  await world.pass(two, 10_000);
  await until('the others are served', async () => (await contents(one))['web-2'] === 'two');
});

test('a host that is new is not taken for one that is gone at a controller that is not told what it is served', async (context) => {
  const world = await World.create(context);
  const one = await converged(world);
  const two = await world.start({ misses: 'served' });
  for (const { records } of [one, two]) records.seen('web-4', world.clock.now_ms);
  await world.push(one, treeOfWebs(4, { rollout: CANARY }), 'r2');
  const version = (): unknown => two.rollouts.current?.rollout.version;
  await until('the other knows', () => two.rollouts.current?.rollout.revision === 'r2');
  await until('it knows all of it', () => version() === one.rollouts.current?.rollout.version);
  await world.pass(two, 10_000);
  assert.notEqual(two.rollouts.current?.hosts.get('web-4')?.state, 'gone');
  assert.equal(two.serving.get('web-4')?.revision, 'r2');
});

test('a push whose messages were lost with the controller that took it is found all the same', async (context) => {
  const world = await World.create(context);
  const one = await converged(world);
  const two = await world.start({ deaf: true });
  two.woken.length = 0;
  await world.push(one, treeOfWebs(3, { rollout: CANARY, content: 'two' }), 'r2');
  await one.close();
  await until('the other serves the canary', async () => (await contents(two))['web-1'] === 'two');
  assert.ok(two.woken.includes('web-1'), 'a held request is let go');
  await world.report(two, 'web-1');
  await world.pass(two, 10_000);
  await until('it goes on with the rest', async () => (await contents(two))['web-3'] === 'two');
});

test('a preview and a pause reach a host at whatever controller it is', async (context) => {
  const world = await World.create(context);
  const [one, two] = [await world.start(), await world.start()];
  const woken: string[] = [];
  const now_ms = () => world.clock.now_ms;
  const wake = (hosts: readonly string[]): void => void woken.push(...hosts);
  const asking = new Previews({ store: one.store, now_ms, wake: () => undefined, log: quiet });
  const holding = new Previews({ store: two.store, now_ms, wake, log: quiet });
  asking.open();
  holding.open();
  const asked = asking.ask(new Map([['web-1', '{"host":"web-1"}']]), {
    bound_ms: 5000,
    signal: AbortSignal.timeout(10_000),
  });
  await until('the host is woken at the other controller', () => woken.includes('web-1'));
  const question = await holding.next('web-1');
  assert.equal(question?.text, '{"host":"web-1"}');
  assert.equal(await holding.next('web-1'), undefined, 'it is asked once');
  const answer = { host: 'web-1', revision: 'r2', changes: [], problems: [], more: 0 };
  assert.equal(await holding.answer('web-2', question?.id ?? '', { ...answer, host: 'web-2' }), false);
  assert.equal(await holding.answer('web-1', question?.id ?? '', answer), true);
  assert.deepEqual([...(await asked)], [['web-1', answer]]);
  const here = new Pauses({ store: one.store, now_ms, wake });
  const there = new Pauses({ store: two.store, now_ms, wake });
  await here.open();
  await there.open();
  await here.set('web-2', { for_ms: 60_000, why: 'upgrade', by: 'ann' });
  await until('the other controller knows', () => there.get('web-2')?.by === 'ann');
  assert.ok(woken.includes('web-2'));
});

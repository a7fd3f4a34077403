import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cached, pass, setup } from './agent-setup.ts';
import { manifestText, settle } from './support.ts';

test('paused, it looks and applies nothing; the pause outlives a restart and ends by itself', async (t) => {
  const text = manifestText({ revision: 'one' });
  const { agent, engine, controller, directory } = await setup(t, cached(text));
  controller.serve(text, '"1"');
  await agent.start();
  await settle();
  await agent.pause({ for_ms: 600_000, why: 'looking at the disk', by: 'anna' });
  await agent.reconcile();
  assert.equal(engine.runs.at(-1)?.dryRun, true);
  assert.equal(agent.status().pause?.by, 'anna');
  await settle();
  assert.equal(controller.reports.at(-1)?.pause?.why, 'looking at the disk');
  const kept: unknown = JSON.parse(await readFile(join(directory, 'pause.json'), 'utf8'));
  assert.deepEqual(kept, agent.status().pause);

  await pass(601);
  assert.equal(agent.status().pause, undefined);
  await settle();
  assert.equal(engine.runs.at(-1)?.dryRun, false, 'the end of a pause is followed by a run that repairs');
  await assert.rejects(readFile(join(directory, 'pause.json')));
});

test('a pause that an earlier process left holds for the first run', async (t) => {
  const { agent, engine } = await setup(t, async (directory) => {
    await cached(manifestText())(directory);
    const since_ms = Date.UTC(2026, 0, 1);
    const pause = { by: 'anna', why: 'x', since_ms, until_ms: since_ms + 3_600_000 };
    await writeFile(join(directory, 'pause.json'), JSON.stringify(pause));
  });
  await agent.start();
  await settle();
  assert.equal(engine.runs[0]?.dryRun, true);
});

test('resume ends a pause at once and says whose it was', async (t) => {
  const { agent, engine } = await setup(t, cached(manifestText()));
  await agent.start();
  await settle();
  await agent.pause({ for_ms: 600_000, why: 'x', by: 'anna' });
  assert.equal((await agent.resume('bert'))?.by, 'anna');
  await settle();
  assert.equal(engine.runs.at(-1)?.dryRun, false);
  assert.equal(await agent.resume('bert'), undefined);
});

test('a pause that the controller orders begins, outlives a restart of the agent, and ends with the order', async (t) => {
  const { agent, engine, controller, directory } = await setup(t);
  const since_ms = Date.now();
  const order = { by: 'ann', why: 'upgrade', since_ms, until_ms: since_ms + 3_600_000 };
  controller.serve(manifestText(), '"1"');
  controller.pause = 'none';
  await agent.start();
  await settle();
  controller.order({ pause: order });
  await settle();
  assert.deepEqual(agent.status().pause, order);
  assert.match(await readFile(join(directory, 'pause.json'), 'utf8'), /"ordered":true/);
  assert.deepEqual(controller.reports.at(-1)?.pause, order);
  await agent.reconcile();
  assert.equal(engine.runs.at(-1)?.dryRun, true);
  controller.order({ pause: 'none' });
  await settle();
  assert.equal(agent.status().pause, undefined);
});

test('a pause that was ordered on the host itself is not ended by the controller', async (t) => {
  const { agent, controller } = await setup(t);
  controller.serve(manifestText(), '"1"');
  controller.pause = 'none';
  await agent.start();
  await settle();
  await agent.pause({ for_ms: 3_600_000, why: 'upgrade', by: 'root' });
  controller.order({ pause: 'none' });
  await settle();
  assert.equal(agent.status().pause?.by, 'root');
});

test('an ordered pause that was ended on the host is not taken up again, until there is another', async (t) => {
  const { agent, controller } = await setup(t);
  const since_ms = Date.now();
  const order = { by: 'ann', why: 'upgrade', since_ms, until_ms: since_ms + 3_600_000 };
  controller.serve(manifestText(), '"1"');
  controller.pause = order;
  await agent.start();
  await settle();
  await agent.resume('root');
  controller.order({ pause: order });
  await settle();
  assert.equal(agent.status().pause, undefined);
  controller.order({ pause: { ...order, since_ms: since_ms + 1 } });
  await settle();
  assert.equal(agent.status().pause?.by, 'ann');
});

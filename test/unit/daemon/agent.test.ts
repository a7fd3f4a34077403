import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { cached, certificate, drifted, pass, setup } from './agent-setup.ts';
import { manifestText, settle } from './support.ts';

test('with a cached manifest the first run does not wait for the controller', async (t) => {
  const { agent, engine, controller } = await setup(t, cached(manifestText({ revision: 'cached' })));
  controller.goAway();
  await agent.start();
  await settle();
  assert.equal(engine.runs[0]?.revision, 'cached');
  assert.equal(agent.status().revision.running, 'cached');
  assert.equal(agent.status().controller.state, 'away');
});

test('a manifest that was taken is on disk, readable by root alone', async (t) => {
  const { agent, controller, directory } = await setup(t);
  const text = manifestText({ revision: 'one' });
  controller.serve(text, '"1"');
  await agent.start();
  await settle();
  assert.equal(await readFile(join(directory, 'manifest.json'), 'utf8'), text);
  const { stat } = await import('node:fs/promises');
  assert.equal((await stat(join(directory, 'manifest.json'))).mode & 0o777, 0o600);
});

for (const { name, text } of [
  { name: 'a corrupt cache', text: '{"format": {"major": 1' },
  { name: "another host's cache", text: manifestText({ host: 'db-1' }) },
  { name: 'an empty cache', text: '' },
]) {
  test(`${name} is put aside with a message, and the manifest is fetched again`, async (t) => {
    const { agent, engine, controller, directory, lines } = await setup(t, cached(text));
    controller.serve(manifestText({ revision: 'fresh' }), '"1"');
    await agent.start();
    await settle();
    assert.equal(await readFile(join(directory, 'manifest.json.bad'), 'utf8'), text);
    assert.equal(await readFile(join(directory, 'manifest.json'), 'utf8'), manifestText({ revision: 'fresh' }));
    assert.ok(lines.some((line) => /^<3>.*manifest\.json was refused and put aside/.test(line)));
    assert.equal(engine.runs.at(-1)?.revision, 'fresh');
    assert.deepEqual(agent.status().problems, []);
  });
}

test('an hour without the controller: it goes on by its schedule from the cache, says since when, and recovers', async (t) => {
  const { agent, engine, controller, lines } = await setup(t, cached(manifestText({ revision: 'cached' })));
  controller.goAway();
  await agent.start();
  await settle();
  const left_ms = Date.now();
  await pass(3600);
  assert.ok(
    engine.runs.length >= 12 && engine.runs.length <= 14,
    `${engine.runs.length} runs by "*/5 * * * *" in an hour`,
  );
  const status = agent.status();
  assert.equal(status.controller.state, 'away');
  assert.equal(status.controller.since_ms, left_ms);
  assert.equal(status.revision.running, 'cached');
  assert.deepEqual(agent.ailments(), []);
  assert.equal(lines.filter((line) => line.includes('away')).length, 1, 'told once, and not at every try');

  controller.comeBack();
  controller.serve(manifestText({ revision: 'next' }), '"2"');
  await pass(61);
  assert.equal(agent.status().controller.state, 'reachable');
  assert.equal(agent.status().revision.running, 'next');
  assert.ok(lines.some((line) => line.includes('answers again')));
  assert.equal(controller.reports.at(-1)?.runningRevision, 'next');
});

test('a manifest that the engine refuses leaves the running one, in memory and on disk, and the status says why', async (t) => {
  const { agent, engine, controller, directory } = await setup(t);
  controller.serve(manifestText({ revision: 'good' }), '"1"');
  await agent.start();
  await settle();
  engine.refuse = new Error('files/a requires files/b and the other way round');
  controller.serve(manifestText({ revision: 'cycle' }), '"2"');
  await settle();
  const { revision } = agent.status();
  assert.deepEqual(revision, {
    running: 'good',
    wanted: 'cycle',
    whyDifferent: 'files/a requires files/b and the other way round',
  });
  assert.match(await readFile(join(directory, 'manifest.json'), 'utf8'), /"good"/);
  assert.equal(controller.reports.at(-1)?.whyDifferent, 'files/a requires files/b and the other way round');
});

test('a new revision waits for the run under way, and then one run takes it', async (t) => {
  const { agent, engine, controller } = await setup(t);
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  await agent.start();
  await settle();
  const gate = Promise.withResolvers<void>();
  engine.gate = gate.promise;
  const asked = agent.reconcile();
  await settle();
  const before = engine.runs.length;
  controller.serve(manifestText({ revision: 'two' }), '"2"');
  void agent.reconcile();
  void agent.reconcile();
  await settle();
  assert.equal(engine.runs.length, before);
  engine.gate = undefined;
  gate.resolve();
  await asked;
  await settle();
  assert.equal(engine.runs.length, before + 1, 'three requests during a run are one run after it');
  assert.equal(engine.runs.at(-1)?.revision, 'two');
});

test('a stop during a run does not wait for the new revision that no run will take', async (t) => {
  const { agent, engine, controller } = await setup(t);
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  await agent.start();
  await settle();
  const gate = Promise.withResolvers<void>();
  engine.gate = gate.promise;
  void agent.reconcile();
  await settle();
  controller.serve(manifestText({ revision: 'two' }), '"2"');
  await settle();
  let stopped = false;
  void agent.stop().then(() => {
    stopped = true;
  });
  gate.resolve();
  await settle();
  assert.equal(stopped, true);
  assert.equal(engine.runs.at(-1)?.revision, 'one');
});

test('drift that was repaired is told: journal, status, metrics, report; a run without changes says nothing', async (t) => {
  const { agent, engine, controller, lines, metrics } = await setup(t, cached(manifestText({ revision: 'one' })));
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  await agent.start();
  await settle();
  const quiet = lines.length;
  const told = controller.reports.length;
  await agent.reconcile();
  await settle();
  assert.equal(lines.length, quiet);
  assert.equal(controller.reports.length, told);

  engine.resources = [drifted];
  await agent.reconcile();
  engine.resources = [{ ...drifted, status: 'converged', changes: [] }];
  await agent.reconcile();
  await settle();
  assert.deepEqual(lines.slice(quiet), ['<5>files//etc/motd: write 1 line (drift)']);
  const [view] = agent.status().resources;
  assert.equal(view?.status, 'converged');
  assert.equal(view?.lastChange?.changes[0]?.diff, '-a\n+b\n');
  assert.match(metrics(), /^holdfast_drift_found_total\{kind="files"\} 1$/m);
  assert.match(metrics(), /^holdfast_repairs_total\{kind="files",cause="corrective"\} 1$/m);
  const past = controller.reports.flatMap((report) => report.past);
  assert.equal(past.length, 1);
  assert.equal(past[0]?.resource.changes?.[0]?.summary, 'write 1 line');
});

test('what happens while the controller is away is told afterwards, also by the next process, and is bounded', async (t) => {
  const { agent, engine, controller, directory } = await setup(t, cached(manifestText({ revision: 'one' })));
  controller.goAway();
  await agent.start();
  await settle();
  engine.resources = [drifted];
  for (let run = 0; run < 250; run += 1) await agent.reconcile();
  await agent.stop();
  const spool: unknown = JSON.parse(await readFile(join(directory, 'reports.json'), 'utf8'));
  assert.ok(Array.isArray(spool));
  assert.equal(spool.length, 200);
  controller.comeBack();
});

test('a failure is told once, however often it is tried again', async (t) => {
  const { agent, engine, lines } = await setup(t, cached(manifestText()));
  await agent.start();
  await settle();
  engine.resources = [{ ...drifted, status: 'failed', error: 'no space left on device' }];
  const before = lines.length;
  for (let run = 0; run < 3; run += 1) await agent.reconcile();
  const told = lines.slice(before).filter((line) => line.startsWith('<3>'));
  assert.deepEqual(told, ['<3>files//etc/motd failed: no space left on device']);
  assert.equal(agent.status().verdict, 'failing');
});

test('a retry that is due causes a run', async (t) => {
  const { agent, engine } = await setup(t, cached(manifestText({ schedule: '0 0 1 1 *' })));
  engine.retry_ms = Date.UTC(2026, 0, 1, 0, 0, 20);
  await agent.start();
  await settle();
  const before = engine.runs.length;
  engine.retry_ms = undefined;
  await pass(15);
  assert.equal(engine.runs.length, before + 1);
});

test('a run without a sign of life for an hour is an ailment: the watchdog is not fed any more', async (t) => {
  const { agent, engine } = await setup(t, cached(manifestText()));
  await agent.start();
  await settle();
  const gate = Promise.withResolvers<void>();
  engine.gate = gate.promise;
  const asked = agent.reconcile();
  await settle();
  mock.timers.tick(3_500_000);
  assert.deepEqual(agent.ailments(), []);
  mock.timers.tick(200_000);
  assert.match(agent.ailments().join(), /no sign of life/);
  engine.gate = undefined;
  gate.resolve();
  await asked;
});

test('the status says when the certificate expires, and a heartbeat how long that still is', async (t) => {
  const { agent, metrics } = await setup(t, cached(manifestText()));
  await agent.start();
  await settle();
  agent.heartbeat();
  assert.deepEqual(agent.status().certificate, certificate);
  assert.match(metrics(), new RegExp(`^holdfast_certificate_expires_in_seconds ${59 * 86_400 - 7}$`, 'm'));
});

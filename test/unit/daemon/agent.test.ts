import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mock, type TestContext, test } from 'node:test';
import { Agent } from '../../../agent/daemon/agent.ts';
import type { AgentConfig } from '../../../agent/daemon/config.ts';
import type { Engine, Recollection } from '../../../agent/engine/engine.ts';
import type { EngineManifest, ResourceResult, RunResult } from '../../../agent/engine/types.ts';
import { Meter } from '../../../agent/metrics/meter.ts';
import { OpenMetricsStore } from '../../../agent/metrics/openmetrics.ts';
import { FakeController, HOST, manifestText, recordingLog, settle, stateFiles } from './support.ts';

/** An engine whose results a test decides; it records how it was asked. */
class FakeEngine implements Engine {
  readonly runs: { readonly dryRun: boolean; readonly revision: string; readonly at_ms: number }[] = [];
  resources: readonly ResourceResult[] = [];
  /** While set, runs do not end. */
  gate: Promise<void> | undefined;
  refuse: Error | undefined;
  retry_ms: number | undefined;
  #manifest: EngineManifest | undefined;

  load(manifest: EngineManifest): void {
    if (this.refuse !== undefined) throw this.refuse;
    this.#manifest = manifest;
  }

  async reconcile({ dryRun = false }: { readonly dryRun?: boolean } = {}): Promise<RunResult> {
    const revision = this.#manifest?.revision ?? '';
    const started_ms = Date.now();
    this.runs.push({ dryRun, revision, at_ms: started_ms });
    await this.gate;
    return { host: HOST, revision, dryRun, started_ms, duration_ms: 1, resources: this.resources };
  }

  recollection(): Recollection {
    return { revision: this.#manifest?.revision ?? '', converged: [] };
  }

  nextRetry_ms(): number | undefined {
    return this.retry_ms;
  }

  watches(): [] {
    return [];
  }
}

const certificate = { expires_ms: Date.UTC(2026, 2, 1), renewal_ms: Date.UTC(2026, 1, 1) };

interface Setup {
  readonly agent: Agent;
  readonly engine: FakeEngine;
  /** Of previews. */
  readonly looker: FakeEngine;
  readonly controller: FakeController;
  readonly directory: string;
  readonly lines: string[];
  readonly metrics: () => string;
}

async function setup(t: TestContext, prepare: (directory: string) => Promise<void> = async () => {}): Promise<Setup> {
  const { files, directory } = await stateFiles(t);
  await prepare(directory);
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.UTC(2026, 0, 1, 0, 0, 7) });
  const { log, lines } = recordingLog();
  const engine = new FakeEngine();
  const looker = new FakeEngine();
  const controller = new FakeController();
  const meter = new Meter();
  const store = new OpenMetricsStore();
  meter.add(store);
  const config: AgentConfig = {
    host: HOST,
    controller: new URL('http://controller.test'),
    statsd: 'off',
    stateDirectory: directory,
    runDirectory: directory,
  };
  const agent = new Agent({
    config,
    version: '1.2.3',
    engine,
    looker: () => looker,
    files,
    client: controller,
    log,
    meter,
    facts: { read: async () => ({ addresses: [] }) },
    recollection: () => undefined,
    certificate: () => certificate,
    onManifest: async () => {},
    onStatus: () => {},
    random: () => 0.5,
  });
  t.after(async () => {
    await agent.stop();
    mock.timers.reset();
  });
  return { agent, engine, looker, controller, directory, lines, metrics: () => store.text() };
}

async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    mock.timers.tick(1000);
    await settle(4);
  }
}

const cached =
  (text: string) =>
  (directory: string): Promise<void> =>
    writeFile(join(directory, 'manifest.json'), text);

const drifted: ResourceResult = {
  kind: 'files',
  name: '/etc/motd',
  status: 'changed',
  mode: 'enforce',
  cause: 'corrective',
  changes: [{ summary: 'write 1 line', diff: '-a\n+b\n', hazard: 'none', outcome: 'applied', duration_ms: 1 }],
  duration_ms: 2,
};

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

test('a preview is answered with what would change, and what runs stays what it was', async (t) => {
  const { agent, engine, looker, controller } = await setup(t);
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  await agent.start();
  await settle();
  const runs = engine.runs.length;
  looker.resources = [
    { ...drifted, status: 'drifted', changes: drifted.changes.map((one) => ({ ...one, outcome: 'pending' })) },
  ];
  controller.order({ preview: { id: 'p1', text: manifestText({ revision: 'two' }) } });
  await settle();
  assert.deepEqual(controller.previews, [
    {
      id: 'p1',
      preview: {
        host: HOST,
        revision: 'two',
        changes: [{ kind: 'files', name: '/etc/motd', summary: 'write 1 line', diff: '-a\n+b\n', hazard: 'none' }],
        problems: [],
        more: 0,
      },
    },
  ]);
  assert.deepEqual(
    [looker.runs.map(({ dryRun }) => dryRun), engine.runs.length, agent.status().revision.running],
    [[true], runs, 'one'],
  );
  assert.equal(controller.asked.at(-1)?.etag, '"1"', 'it is held again at once, with what it has');
});

test('a preview of a manifest that could not run here says so', async (t) => {
  const { agent, controller } = await setup(t);
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  await agent.start();
  await settle();
  controller.order({ preview: { id: 'p1', text: manifestText({ host: 'db-1' }) } });
  await settle();
  controller.order({ preview: { id: 'p2', text: '{"format":' } });
  await settle();
  assert.deepEqual(
    controller.previews.map(({ preview }) => preview.problems[0]),
    ['the manifest is of host "db-1"', 'this host would refuse it: the manifest is not JSON (10 characters)'],
  );
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

test('the status says when the certificate expires, and a heartbeat how long that still is', async (t) => {
  const { agent, metrics } = await setup(t, cached(manifestText()));
  await agent.start();
  await settle();
  agent.heartbeat();
  assert.deepEqual(agent.status().certificate, certificate);
  assert.match(metrics(), new RegExp(`^holdfast_certificate_expires_in_seconds ${59 * 86_400 - 7}$`, 'm'));
});

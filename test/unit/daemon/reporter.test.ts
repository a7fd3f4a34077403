import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import { ControllerError } from '../../../agent/daemon/controller-client.ts';
import { Reporter } from '../../../agent/daemon/reporter.ts';
import type { RunResult } from '../../../agent/engine/types.ts';
import type { Report } from '../../../desired-state/schema/report.ts';
import { HOST, settle, stateFiles } from './support.ts';

function run(started_ms: number): RunResult {
  return { host: HOST, revision: 'one', sequence: 1, dryRun: false, started_ms, duration_ms: 1, resources: [] };
}

test('who waits for the report hears of it, though another run has ended while it was on its way', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const { files } = await stateFiles(t);
  const onTheWay: { readonly report: Report; readonly arrived: () => void }[] = [];
  let told = 0;
  const reporter = new Reporter({
    client: {
      report: (report) =>
        new Promise((resolve) => {
          onTheWay.push({ report, arrived: resolve });
        }),
    },
    files,
    head: async () => ({ host: HOST, agentVersion: '1.2.3', mode: 'enforce' }),
    onProblem: assert.fail,
    onDropped: () => assert.fail(),
    onTold: () => {
      told += 1;
    },
  });
  reporter.note(run(1));
  await settle();
  assert.equal(onTheWay.length, 0, 'nothing is told before it is started');
  reporter.start();
  await settle();
  assert.equal(onTheWay[0]?.report.run?.started_ms, 1);
  reporter.note(run(2));
  onTheWay[0]?.arrived();
  await settle();
  assert.equal(onTheWay.length, 1, 'a run that says the same is not told again');
  assert.equal(told, 1);
  await reporter.stop();
});

/** A reporter whose reports fail in one way or another, with time that stands still. */
async function setup(t: TestContext) {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const { files } = await stateFiles(t);
  const world = { isUnreachable: false, status: undefined as number | undefined, tries: 0, problems: [] as string[] };
  const reporter = new Reporter({
    client: {
      report: async () => {
        world.tries += 1;
        if (world.status !== undefined) throw new ControllerError('failed', { status: world.status });
      },
    },
    files,
    head: async () => ({ host: HOST, agentVersion: '1.2.3', mode: 'enforce' }),
    onProblem: (message) => world.problems.push(message),
    onDropped: () => assert.fail(),
    isUnreachable: () => world.isUnreachable,
    random: () => 0.5,
  });
  t.after(() => reporter.stop());
  return { reporter, world };
}

test('a report tries no connection of its own while nobody reaches the controller, and goes as soon as somebody does', async (t) => {
  const { reporter, world } = await setup(t);
  world.isUnreachable = true;
  reporter.start();
  await settle();
  for (let minute = 0; minute < 5; minute += 1) {
    mock.timers.tick(60_000);
    await settle();
  }
  assert.deepEqual([world.tries, world.problems], [0, []]);
  world.isUnreachable = false;
  reporter.reached();
  await settle();
  assert.equal(world.tries, 1);
  reporter.reached();
  await settle();
  assert.equal(world.tries, 1, 'there is nothing more to tell');
});

for (const { name, status, tries } of [
  { name: 'what got no answer goes again as soon as the controller answers', status: 0, tries: 2 },
  { name: 'what the controller itself refused waits for its time', status: 500, tries: 1 },
]) {
  test(name, async (t) => {
    const { reporter, world } = await setup(t);
    world.status = status;
    reporter.start();
    await settle();
    world.status = undefined;
    reporter.reached();
    await settle();
    assert.equal(world.tries, tries);
    mock.timers.tick(10_000);
    await settle();
    assert.equal(world.tries, 2);
  });
}

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
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

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { createTask, parse } from 'node-cron';
import { nextMatch } from '../../../agent/daemon/cron-next.ts';
import { Schedule, splayOf } from '../../../agent/daemon/schedule.ts';
import { settle } from './support.ts';

test('the splay is the same for a name after every restart, and spread over names', () => {
  assert.equal(splayOf('web-1', 60_000), splayOf('web-1', 60_000));
  const quarters = [0, 0, 0, 0];
  for (let host = 0; host < 1000; host += 1) {
    const quarter = Math.floor(splayOf(`web-${host}`, 60_000) / 15_000);
    quarters[quarter] = (quarters[quarter] ?? 0) + 1;
  }
  for (const hosts of quarters) assert.ok(hosts > 200 && hosts < 300, quarters.join(', '));
});

test('it runs at the times of its expression plus the splay of the host', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: new Date(2026, 0, 1, 12, 3, 0).getTime() });
  try {
    const runs: number[] = [];
    const schedule = new Schedule({ host: 'web-1', run: () => runs.push(Date.now()), onError: assert.fail });
    await schedule.set('*/5 * * * *', 60_000);
    for (let second = 0; second < 1200; second += 1) {
      mock.timers.tick(1000);
      await settle(1);
    }
    schedule.stop();
    const splay_ms = splayOf('web-1', 60_000);
    const expected = [5, 10, 15, 20].map((minute) => new Date(2026, 0, 1, 12, minute).getTime() + splay_ms);
    assert.equal(runs.length, 4);
    for (const [index, at] of runs.entries()) assert.ok(Math.abs(at - (expected[index] ?? 0)) < 1000, `run ${index}`);
  } finally {
    mock.timers.reset();
  }
});

test('an expression that node-cron refuses is told, and every five minutes is used', async () => {
  const errors: string[] = [];
  const schedule = new Schedule({ host: 'web-1', run: () => {}, onError: (message) => errors.push(message) });
  await schedule.set('99 99 * * *', 0);
  assert.match(errors.join(), /"99 99 \* \* \*" is no cron expression/);
  assert.ok((schedule.next_ms ?? 0) <= Date.now() + 300_000);
  schedule.stop();
});

test('the next time is the one that node-cron finds', () => {
  const expressions = [
    '*/5 * * * *',
    '0 3 * * *',
    '30 2 * * 1-5',
    '0 0 29 2 *',
    '15,45 8-18 1,15 * *',
    '*/10 * * * * *',
    '0 12 * * 0',
    '0 0 * * 7',
  ];
  for (const expression of expressions) {
    assert.deepEqual(
      nextMatch(parse(expression), new Date()),
      createTask(expression, () => {}).getNextRuns(1)[0],
      expression,
    );
  }
  assert.equal(nextMatch(parse('0 0 L * *'), new Date()), undefined);
});

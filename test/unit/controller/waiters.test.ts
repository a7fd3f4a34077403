import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Waiters } from '../../../controller/waiters.ts';

const never = new AbortController().signal;

test('ten thousand waiters cost one timer, and are let go in batches over four seconds', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const waiters = new Waiters();
  let done = 0;
  const names = Array.from({ length: 10_000 }, (_, index) => `host-${index}`);
  const all = names.map(async (name) => {
    await waiters.wait(name, 60, never);
    done += 1;
  });
  assert.equal(waiters.count, 10_000);
  waiters.release(names);
  assert.equal(waiters.count, 9950);
  const half_ms = 2000;
  for (let now_ms = 0; now_ms < half_ms; now_ms += 20) context.mock.timers.tick(20);
  assert.equal(waiters.count, 4950);
  for (let now_ms = 0; now_ms < half_ms; now_ms += 20) context.mock.timers.tick(20);
  assert.equal(waiters.count, 0);
  await Promise.all(all);
  assert.equal(done, 10_000);
});

test('a handful of waiters is let go at once', async () => {
  const waiters = new Waiters();
  const wakes = Promise.all([waiters.wait('a', 60, never), waiters.wait('a', 60, never), waiters.wait('b', 60, never)]);
  waiters.release(['a', 'b', 'unknown']);
  assert.deepEqual(await wakes, ['changed', 'changed', 'changed']);
  assert.equal(waiters.count, 0);
});

test('each wait ends at its own bound, the longest included', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const waiters = new Waiters();
  const short = waiters.wait('a', 2, never);
  const long = waiters.wait('a', 600, never);
  context.mock.timers.tick(1000);
  assert.equal(waiters.count, 2);
  context.mock.timers.tick(1000);
  assert.equal(await short, 'timeout');
  context.mock.timers.tick(597_000);
  assert.equal(waiters.count, 1);
  context.mock.timers.tick(1000);
  assert.equal(await long, 'timeout');
});

test('a waiter that goes away, and all of them when the server closes, end at once', async () => {
  const waiters = new Waiters();
  const leaving = new AbortController();
  const gone = waiters.wait('a', 60, leaving.signal);
  const stays = waiters.wait('a', 60, never);
  leaving.abort();
  assert.equal(await gone, 'closing');
  waiters.close();
  assert.equal(await stays, 'closing');
  assert.equal(await waiters.wait('a', 60, never), 'closing');
});

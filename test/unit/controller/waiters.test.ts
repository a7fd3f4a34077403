import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Waiters } from '../../../controller/waiters.ts';

const never = new AbortController().signal;

test('ten thousand waiters cost one timer, and are let go in turns, as their answers are sent', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const waiters = new Waiters();
  const answers = new Map<string, AbortController>();
  const names = Array.from({ length: 10_000 }, (_, index) => `host-${index}`);
  const woken: string[] = [];
  const all = names.map(async (name) => {
    const answer = new AbortController();
    answers.set(name, answer);
    await waiters.wait(name, 60, answer.signal);
    woken.push(name);
  });
  waiters.release(names);
  assert.equal(waiters.count, 9950);
  await Promise.resolve();
  for (let answered = 0; answered < names.length; answered += 1) {
    assert.ok(woken.length - answered <= 50);
    answers.get(woken[answered] ?? '')?.abort();
    await Promise.resolve();
  }
  assert.equal(waiters.count, 0);
  await Promise.all(all);
  assert.deepEqual(woken, names);
});

test('clients that take their answers slowly do not keep the others from theirs for long', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const waiters = new Waiters();
  const names = Array.from({ length: 60 }, (_, index) => `host-${index}`);
  const all = names.map((name) => waiters.wait(name, 60, never));
  waiters.release(names);
  assert.equal(waiters.count, 10);
  context.mock.timers.tick(2000);
  assert.equal(waiters.count, 0);
  await Promise.all(all);
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

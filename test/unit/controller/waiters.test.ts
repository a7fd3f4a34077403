import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { type Pending, Waiters } from '../../../controller/waiters.ts';

const never: Pending = { closed: false, once: () => undefined, off: () => undefined };

class Answer extends EventEmitter implements Pending {
  closed = false;

  close(): void {
    this.closed = true;
    this.emit('close');
  }
}

test('ten thousand waiters cost one timer, and are let go in turns, as their answers are sent', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const waiters = new Waiters();
  const answers = new Map<string, Answer>();
  const names = Array.from({ length: 10_000 }, (_, index) => `host-${index}`);
  const woken: string[] = [];
  const all = names.map(async (name) => {
    const answer = new Answer();
    answers.set(name, answer);
    await waiters.wait(name, 60, answer);
    woken.push(name);
  });
  waiters.release(names);
  assert.equal(waiters.count, 9800);
  await Promise.resolve();
  for (let answered = 0; answered < names.length; answered += 1) {
    assert.ok(woken.length - answered <= 200);
    answers.get(woken[answered] ?? '')?.close();
    await Promise.resolve();
  }
  assert.equal(waiters.count, 0);
  await Promise.all(all);
  assert.deepEqual(woken, names);
});

test('clients that take their answers slowly do not keep the others from theirs for long', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const waiters = new Waiters();
  const names = Array.from({ length: 210 }, (_, index) => `host-${index}`);
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
  const leaving = new Answer();
  const gone = waiters.wait('a', 60, leaving);
  const stays = waiters.wait('a', 60, never);
  leaving.close();
  assert.equal(await gone, 'closing');
  waiters.close();
  assert.equal(await stays, 'closing');
  assert.equal(await waiters.wait('a', 60, never), 'closing');
});

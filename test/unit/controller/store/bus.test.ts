import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { LocalBus } from '../../../../controller/store/bus.ts';
import { quiet } from './memory.ts';

test('subscribers hear in order, after the publisher went on, and until they end their subscription', async () => {
  const bus = new LocalBus(quiet);
  const heard: string[] = [];
  const note = (text: string, sender: string): void => void heard.push(`${text} from ${sender}`);
  const end = bus.subscribe('served', note);
  bus.subscribe('served', note);
  bus.subscribe('refs', note);
  const published = bus.publish('served', 'a');
  assert.deepEqual(heard, []);
  await published;
  await bus.publish('served', 'b');
  await setImmediate();
  assert.deepEqual(heard, ['a from self', 'a from self', 'b from self', 'b from self']);
  end();
  await bus.publish('served', 'c');
  await setImmediate();
  assert.deepEqual(heard.slice(4), ['c from self']);
});

test('a subscriber that fails is logged and keeps no other from hearing', async () => {
  const logged: object[] = [];
  const bus = new LocalBus({ ...quiet, error: (details) => void logged.push(details) });
  const heard: string[] = [];
  bus.subscribe('pause', () => {
    throw new Error('at once');
  });
  bus.subscribe('pause', async () => {
    throw new Error('later');
  });
  bus.subscribe('pause', (text) => void heard.push(text));
  await bus.publish('pause', 'web-1');
  await setImmediate();
  assert.deepEqual(heard, ['web-1']);
  assert.equal(logged.length, 2);
});

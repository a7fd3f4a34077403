import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { KyselyPlugin } from 'kysely';
import { Pauses } from '../../../../controller/rollout/pauses.ts';
import { Subscribers } from '../../../../controller/store/bus.ts';
import { memoryStore, quiet } from '../store/memory.ts';

const NOW_MS = 1_800_000_000_000;
const PAUSE = { by: 'ann', why: 'upgrade', since_ms: NOW_MS, until_ms: NOW_MS + 60_000 };

test('an order that was read earlier does not take the place of what was read later', async (context) => {
  const store = await memoryStore(context);
  const others = new Subscribers(quiet);
  let isRead = (): void => undefined;
  let gate = Promise.resolve();
  const slow: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      isRead();
      await gate;
      return result;
    },
  };
  const woken: string[] = [];
  const pauses = new Pauses({
    store: {
      db: store.db.withPlugin(slow),
      bus: {
        publish: async () => undefined,
        subscribe: (topic, handler) => others.subscribe(topic, handler),
        onGap: (handler) => others.onGap(handler),
        close: async () => undefined,
      },
    },
    now_ms: () => NOW_MS,
    wake: (hosts) => woken.push(...hosts),
  });
  await pauses.open();
  const first = Promise.withResolvers<void>();
  const read = Promise.withResolvers<void>();
  gate = first.promise;
  isRead = read.resolve;
  await store.db
    .insertInto('pauses')
    .values({ host: 'web-1', ...PAUSE })
    .execute();
  others.tell('pause', 'web-1', 'other');
  // The pause is read, and takes long to get here; it has ended by then.
  await read.promise;
  gate = Promise.resolve();
  await store.db.deleteFrom('pauses').where('host', '=', 'web-1').execute();
  others.tell('pause', 'web-1', 'other');
  for (let turn = 0; turn < 10; turn += 1) await setImmediate();
  first.resolve();
  while (woken.length < 2) await setImmediate();
  assert.equal(pauses.get('web-1'), undefined);
});

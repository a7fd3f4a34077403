import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { NewsFirst } from '../../../controller/news-first.ts';

interface Setup {
  /** Whether manifests go out. */
  readonly news: { goesOut: boolean };
  /** Asks for a turn for so many; tells of those who have had theirs. */
  readonly ask: (count: number) => void;
  readonly done: number[];
  readonly pass: (ms: number) => Promise<void>;
  readonly newsFirst: NewsFirst;
}

function setup({ mock }: TestContext): Setup {
  mock.timers.enable({ apis: ['setTimeout'] });
  let now_ms = 0;
  mock.method(performance, 'now', () => now_ms);
  const news = { goesOut: false };
  const newsFirst = new NewsFirst(() => news.goesOut);
  const done: number[] = [];
  let asked = 0;
  return {
    news,
    newsFirst,
    done,
    ask(count) {
      for (let index = 0; index < count; index += 1) {
        const place = asked;
        asked += 1;
        void newsFirst.turn().then(() => done.push(place));
      }
    },
    async pass(ms) {
      now_ms += ms;
      mock.timers.tick(ms);
      await Promise.resolve();
    },
  };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

test('where no manifests go out nobody waits', async (context) => {
  const { ask, done } = setup(context);
  ask(100);
  await Promise.resolve();
  assert.deepEqual(done, range(100));
});

test('who comes while manifests go out waits until they are out, and then goes on in turns and in order', async (context) => {
  const { ask, done, news, pass } = setup(context);
  news.goesOut = true;
  ask(50);
  await pass(5_000);
  assert.deepEqual(done, []);
  news.goesOut = false;
  ask(1);
  await pass(20);
  assert.equal(done.length, 20, 'who comes later does not pass by');
  await setImmediate();
  assert.equal(done.length, 40);
  await setImmediate();
  assert.deepEqual(done, range(51));
});

test('nobody waits for longer than a bound, however long manifests go out', async (context) => {
  const { ask, done, news, pass } = setup(context);
  news.goesOut = true;
  ask(30);
  await pass(10_000);
  ask(1);
  await pass(5_000);
  for (let look = 0; look < 5; look += 1) await pass(20);
  assert.deepEqual(done, range(30));
  await pass(10_000);
  assert.deepEqual(done, range(31));
});

test('a request that waited on its connection does not wait again, and the next one does', async (context) => {
  const { ask, done, news, pass, newsFirst } = setup(context);
  news.goesOut = true;
  const [first, second] = [{}, {}];
  let read = 0;
  for (const connection of [first, second]) void newsFirst.read(connection).then(() => (read += 1));
  ask(1);
  await pass(14_000);
  assert.equal(read, 0);
  await pass(1_100);
  await setImmediate();
  assert.equal(read, 2, 'nobody waits for longer than a bound');
  assert.deepEqual(done, [0]);
  let turns = 0;
  void newsFirst.turn(first).then(() => (turns += 1));
  await setImmediate();
  assert.equal(turns, 1);
  void newsFirst.turn(first).then(() => (turns += 1));
  await setImmediate();
  assert.equal(turns, 1);
});

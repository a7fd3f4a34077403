import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { pack } from '../../../controller/packing.ts';
import { Serving } from '../../../controller/serving.ts';
import { saveManifests, serve } from '../../../controller/store/served-tables.ts';
import { memoryStore } from './store/memory.ts';

const NOW_MS = 1_800_000_000_000;
/** So many that reading them takes several queries. */
const HOSTS = Array.from({ length: 1500 }, (_, index) => `host-${index}`);

async function setUp(context: TestContext) {
  const store = await memoryStore(context);
  const give = async (hosts: readonly string[], etag: string): Promise<void> => {
    await serve(
      store.db,
      hosts.map((host) => ({ host, etag, revision: 'r', since_ms: NOW_MS })),
    );
  };
  for (const etag of ['old', 'new']) {
    const facts = { etag, revision: 'r', sequence: 1, environment: 'e', roles: [], resources: 0 };
    await saveManifests(
      store,
      HOSTS.map((host) => ({ host, ...facts, packed: pack(`${etag} for ${host}`) })),
      NOW_MS,
    );
  }
  await give(HOSTS, 'old');
  const changed: string[][] = [];
  const serving = new Serving({ store, changed: (hosts) => changed.push([...hosts]) });
  await serving.open();
  context.after(() => serving.close());
  changed.length = 0;
  return { store, serving, give, changed };
}

test('what was read earlier does not take the place of what was read later', async (context) => {
  const { serving, give, changed } = await setUp(context);
  // Its first query is under way when the first host is given another manifest, and its last ones after that was read.
  const earlier = serving.refresh(HOSTS);
  await give(['host-0'], 'new');
  await serving.refresh(['host-0']);
  await earlier;
  assert.equal(serving.get('host-0')?.etag, 'new');
  assert.deepEqual(changed, [['host-0']]);
});

test('what many ask for at the same time is read together', async (context) => {
  const { serving, give, changed } = await setUp(context);
  const first = serving.refresh(['host-0']);
  await give(['host-0', 'host-1', 'host-2'], 'new');
  await Promise.all([first, serving.refresh(['host-1']), serving.refresh(['host-2']), serving.refresh(['host-0'])]);
  assert.deepEqual(changed.flat().sort(), ['host-0', 'host-1', 'host-2']);
  assert.ok(changed.length <= 2, `it was told in ${changed.length} parts`);
});

test('what could not be read is read with what comes next', async (context) => {
  const { store, serving, give, changed } = await setUp(context);
  await give(['host-0', 'host-1'], 'new');
  const broken = context.mock.method(store.db, 'selectFrom', () => {
    throw new Error('no database');
  });
  await assert.rejects(serving.refresh(['host-0']), /no database/);
  broken.mock.restore();
  await serving.refresh(['host-1']);
  assert.deepEqual(changed, [['host-0', 'host-1']]);
});

test('texts that are wanted at the same time are each its own', async (context) => {
  const { serving } = await setUp(context);
  const wanted = HOSTS.slice(0, 100).flatMap((host) => serving.get(host) ?? []);
  const texts = await Promise.all(wanted.map((served) => serving.text(served)));
  assert.deepEqual(
    texts,
    HOSTS.slice(0, 100).map((host) => `old for ${host}`),
  );
});

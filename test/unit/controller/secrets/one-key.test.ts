import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newIdentity, recipientOf } from '../../../../controller/secrets/age.ts';
import type { Identities } from '../../../../controller/secrets/identity.ts';
import { warnOfAnotherKey } from '../../../../controller/secrets/one-key.ts';
import { openStore } from '../../../../controller/store/database.ts';
import { quiet } from '../trust/support.ts';

async function identitiesOf(...keys: readonly string[]): Promise<Identities> {
  return { keys, recipient: await recipientOf(keys[0] ?? '') };
}

test('a controller with another key than the one before says which is missing, and a changed key is none', async (context) => {
  const store = await openStore({ path: ':memory:', log: quiet });
  context.after(() => store.close());
  const warnings: object[] = [];
  const log = { warn: (values: object) => warnings.push(values) };
  const start = async (identities: Identities) => warnOfAnotherKey({ db: store.db, identities, log });
  const [first, second, foreign] = await Promise.all([newIdentity(), newIdentity(), newIdentity()]);

  await start(await identitiesOf(first));
  await start(await identitiesOf(first));
  assert.deepEqual(warnings, []);
  await start(await identitiesOf(foreign));
  assert.deepEqual(warnings, [{ recipient: await recipientOf(foreign), others: await recipientOf(first) }]);

  warnings.length = 0;
  await start(await identitiesOf(second, first));
  assert.deepEqual(warnings, []);
  await start(await identitiesOf(first));
  assert.deepEqual(warnings, [{ recipient: await recipientOf(first), others: await recipientOf(second) }]);
});

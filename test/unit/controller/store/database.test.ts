import assert from 'node:assert/strict';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openStore } from '../../../../controller/store/database.ts';
import { scratch } from '../../../programs/controller/git.ts';
import { memoryStore, quiet } from './memory.ts';

async function places(context: TestContext) {
  const directory = await scratch(context);
  return { path: join(directory, 'state', 'controller.db'), masterKeyFile: join(directory, 'state', 'master.key') };
}

describe('store in a file', () => {
  it('keeps what was written over a restart, in files that only their owner reads', async (context) => {
    const { path, masterKeyFile } = await places(context);
    const first = await openStore({ path, masterKeyFile, log: quiet });
    await first.db.insertInto('settings').values({ name: 'a', value: 'ä' }).execute();
    const sealed = first.sealer.seal('secret', 'x');
    await first.close();
    for (const file of [path, masterKeyFile, `${path}.lock`]) assert.equal((await stat(file)).mode & 0o777, 0o600);
    const second = await openStore({ path, masterKeyFile, log: quiet });
    context.after(() => second.close());
    const row = await second.db.selectFrom('settings').selectAll().where('name', '=', 'a').executeTakeFirst();
    assert.deepEqual(row, { name: 'a', value: 'ä' });
    assert.equal(second.sealer.open(sealed, 'x'), 'secret');
  });

  it('is for one controller at a time', async (context) => {
    const { path, masterKeyFile } = await places(context);
    const first = await openStore({ path, masterKeyFile, log: quiet });
    await assert.rejects(openStore({ path, masterKeyFile, log: quiet }), /another controller holds .*controller\.db/);
    await first.close();
    await (await openStore({ path, masterKeyFile, log: quiet })).close();
  });

  it('refuses a key other than the one that it was sealed with, a missing one and one that others can read', async (context) => {
    const { path, masterKeyFile } = await places(context);
    const open = () => openStore({ path, masterKeyFile, log: quiet });
    await (await open()).close();
    const key = await readFile(masterKeyFile, 'utf8');
    await rm(masterKeyFile);
    await assert.rejects(open(), /there is no master key .* backup/);
    await writeFile(masterKeyFile, `${'0'.repeat(64)}\n`, { mode: 0o600 });
    await assert.rejects(open(), /not the one that this database was sealed with/);
    await writeFile(masterKeyFile, 'no key');
    await assert.rejects(open(), /is not a master key/);
    await writeFile(masterKeyFile, key);
    await chmod(masterKeyFile, 0o640);
    await assert.rejects(open(), /can be read by others/);
    await chmod(masterKeyFile, 0o600);
    await (await open()).close();
  });

  it('refuses a database of a newer program, and one that is none', async (context) => {
    const { path, masterKeyFile } = await places(context);
    const open = () => openStore({ path, masterKeyFile, log: quiet });
    const store = await open();
    await store.db
      .withTables<{ kysely_migration: { name: string; timestamp: string } }>()
      .insertInto('kysely_migration')
      .values({ name: '9999-future', timestamp: new Date().toISOString() })
      .execute();
    await store.close();
    await assert.rejects(open(), /newer controller .*9999-future.*install that version/);
    await rm(`${path}-wal`, { force: true });
    await writeFile(path, 'this is no database, but long enough to be read as one'.repeat(20));
    await assert.rejects(open(), /not a database/);
  });
});

describe('tables', () => {
  it('count the ids that they give, never giving one twice', async (context) => {
    const { db } = await memoryStore(context);
    const pack = { at_ms: 1_800_000_000_000, pack: Uint8Array.of(0, 255) };
    const { id } = await db.insertInto('git_packs').values(pack).returning('id').executeTakeFirstOrThrow();
    await db.deleteFrom('git_packs').execute();
    const next = await db.insertInto('git_packs').values(pack).returningAll().executeTakeFirstOrThrow();
    assert.equal(next.id, id + 1);
    assert.equal(next.at_ms, pack.at_ms);
    assert.deepEqual([...next.pack], [0, 255]);
  });

  it('take no value of another type, no undefined and no reference to nothing', async (context) => {
    const { db } = await memoryStore(context);
    const pause = { host: 'web-1', until_ms: 1, since_ms: 1, by: 'a', why: 'b' };
    const insert = (values: object) =>
      db
        .insertInto('pauses')
        .values({ ...pause, ...values })
        .execute();
    await assert.rejects(insert({ until_ms: 'soon' }), /cannot store TEXT value in INTEGER column/);
    await assert.rejects(insert({ until_ms: true }), /a boolean cannot be stored/);
    await assert.rejects(insert({ why: null }), /NOT NULL/);
    const served = { host: 'web-1', etag: 'x', revision: 'r', since_ms: 1 };
    await assert.rejects(db.insertInto('served').values(served).execute(), /FOREIGN KEY/);
  });

  it('undo a transaction that fails, while other queries wait for its end', async (context) => {
    const { db } = await memoryStore(context);
    const failing = db.transaction().execute(async (transaction) => {
      await transaction.insertInto('settings').values({ name: 'a', value: '1' }).execute();
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      throw new Error('on purpose');
    });
    const [failed, rows] = await Promise.allSettled([failing, db.selectFrom('settings').selectAll().execute()]);
    assert.equal(failed.status, 'rejected');
    assert.deepEqual(rows, { status: 'fulfilled', value: [] });
  });
});

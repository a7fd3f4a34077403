/** Trust between controllers that share a PostgreSQL database: what one of them says holds for all. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { openStore } from '../../controller/store/database.ts';
import { openTrust, type Trust } from '../../controller/trust/trust.ts';
import { until } from '../programs/controller/bench.ts';
import { quiet } from '../unit/controller/store/memory.ts';
import { keyFor, newMachine, newStart } from './call.ts';
import { type DatabaseHost, startDatabaseHost } from './database-host.ts';

let database: DatabaseHost;
let folder: string;
before(async () => {
  database = await startDatabaseHost();
  folder = await mkdtemp(join(tmpdir(), 'holdfast-trust-'));
});
after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

let opened = 0;

async function openController(context: TestContext, databaseUrl: string, authority: string): Promise<Trust> {
  opened += 1;
  const masterKeyFile = join(folder, `master-${databaseUrl.replace(/.*\//, '')}.key`);
  const store = await openStore({ databaseUrl, masterKeyFile, log: quiet });
  context.after(() => store.close());
  return openTrust({
    store,
    stateDirectory: join(folder, authority),
    adminTokenFile: join(folder, `admin-${opened}.token`),
    now_ms: Date.now,
    log: quiet,
  });
}

async function openPair(context: TestContext): Promise<readonly [Trust, Trust]> {
  const databaseUrl = await database.createDatabase();
  return [await openController(context, databaseUrl, 'ca'), await openController(context, databaseUrl, 'ca')];
}

test('a controller with another authority than the others refuses to start', async (context) => {
  const databaseUrl = await database.createDatabase();
  await openController(context, databaseUrl, 'ca');
  await assert.rejects(openController(context, databaseUrl, 'another-ca'), /give the files of that one by --ca-cert/);
});

test('a token that one makes is good at all, until one of them revokes it', async (context) => {
  const [one, two] = await openPair(context);
  assert.equal((await two.tokens.list()).length, 1, 'the second start makes no second administrator');
  const { text, id } = await one.tokens.create({ name: 'ann', role: 'deploy', createdBy: 'test' });
  assert.equal((await two.tokens.check(text)).ok, true);
  await one.tokens.revoke(id);
  await until('the other knows', async () => !(await two.tokens.check(text)).ok);
});

test('a join token for one use lets one machine in, whichever controllers are asked', async (context) => {
  const [one, two] = await openPair(context);
  const { id, text } = await one.joinTokens.create({
    host: 'web-1',
    createdBy: 'test',
    expires_ms: Date.now() + 60_000,
    uses: 1,
  });
  assert.equal((await two.joinTokens.check(text)).ok, true);
  const used = await Promise.all(
    Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? one : two).joinTokens.use(id)),
  );
  assert.equal(used.filter(Boolean).length, 1);
});

test('what one revokes is refused by the other, whose open connections it ends', async (context) => {
  const [one, two] = await openPair(context);
  const machine = newMachine();
  const claim = { id: machine, start: newStart() };
  const { fingerprint } = await one.certificates.issue('web-1', keyFor('web-1').csr, machine);
  assert.equal((await two.certificates.check(fingerprint, claim)).ok, true);
  const held = new Socket();
  two.connections.add(fingerprint, held);
  assert.equal(held.destroyed, false);
  await one.certificates.revoke(fingerprint, 'token:ann', 'stolen');
  await until('the connection is closed', () => held.destroyed);
  assert.deepEqual(await two.certificates.check(fingerprint, claim), {
    ok: false,
    why: 'revoked',
    host: 'web-1',
    reason: 'stolen',
  });
});

test('copies of a machine are noticed though each asks another controller', async (context) => {
  const [one, two] = await openPair(context);
  const machine = newMachine();
  const { fingerprint } = await one.certificates.issue('web-1', keyFor('web-1').csr, machine);
  const original = { id: machine, start: newStart() };
  const copy = { id: machine, start: newStart() };
  await until('both are refused', async () => {
    const answers = [
      await one.certificates.check(fingerprint, original),
      await two.certificates.check(fingerprint, copy),
    ];
    return answers.every((answer) => !answer.ok && answer.why === 'copied-machine');
  });
});

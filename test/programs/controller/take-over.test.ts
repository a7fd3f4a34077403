/** Two controllers that share a store: what one has compiled and brings, the other does not compile. */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Repository } from '../../../controller/source/repository.ts';
import { openStore } from '../../../controller/store/database.ts';
import { type Bench, reportOf, startBench, until } from './bench.ts';
import { scratch, TestRepository } from './git.ts';

const NEEDS_ADDRESS = 'files:\n  /x: { content: "{{hosts.web.0.address}}" }\n';
const STOPPED = 'services:\n  nginx: stopped\n';
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Both have looked once, so that each has compiled what is there. */
async function startTwo(context: TestContext) {
  const repository = await TestRepository.create(context);
  await repository.commit({ 'hosts/web-1.yaml': 'environment: dev\nroles: [web]\n' });
  const store = await openStore({ path: ':memory:', log: quiet });
  context.after(() => store.close());
  const shared = { ...store, shared: true, close: async () => undefined };
  const one = await startBench(context, repository.path, { store: shared });
  // The same authority, and a copy of its own.
  const stateDirectory = join(await scratch(context), 'state');
  await cp(one.stateDirectory, stateDirectory, { recursive: true });
  const two = await startBench(context, repository.path, { store: shared, stateDirectory });
  await one.intake.refresh();
  await two.intake.refresh();
  const reads = context.mock.method(Repository.prototype, 'readTree');
  const compiled = (): number => reads.mock.callCount();
  /** Pushes, and has the first take it in; the second has not heard of that yet. */
  const push = async (files: Readonly<Record<string, string>>): Promise<string> => {
    const revision = await repository.commit(files);
    await one.intake.refresh();
    return revision;
  };
  return { repository, one, two, compiled, push };
}

async function reportAddress(bench: Bench, host: string, address = '10.4.5.6'): Promise<void> {
  const addresses = [{ interface: 'eth1', address, family: 4 as const }];
  const payload = reportOf(host, { facts: { addresses } });
  assert.equal((await bench.inject({ method: 'POST', url: `/v1/hosts/${host}/reports`, payload })).statusCode, 204);
}

test('what another controller brings is not compiled again, and all of it is known', async (context) => {
  const { two, compiled, push } = await startTwo(context);
  const revision = await push({ 'roles/web.yaml': STOPPED, 'hosts/web-2.yaml': 'environment: dev\nroles: [web]\n' });
  const before = compiled();
  assert.deepEqual((await two.intake.refresh()).changed, []);
  assert.equal(compiled(), before);
  assert.equal(two.intake.wanted?.revision, revision);
  assert.equal(two.intake.whyDifferent, undefined);
  const { hosts } = (await two.inject('/v1/status')).json();
  assert.deepEqual(
    hosts.map(({ host }: { readonly host: string }) => host),
    ['db-1', 'web-1', 'web-2'],
  );
});

test('who waits for an address is known where it was not compiled, and gets it from there', async (context) => {
  const { two, compiled, push } = await startTwo(context);
  await push({ 'roles/db.yaml': NEEDS_ADDRESS });
  const before = compiled();
  await two.intake.refresh();
  assert.equal(compiled(), before);
  assert.match((await two.inject('/v1/hosts/db-1')).json().why, /waiting for web-1 to report an address/);
  await reportAddress(two, 'web-1');
  await until('db-1 has it', async () => (await two.manifest('db-1')).body.includes('10.4.5.6'));
});

test('a host that got from another controller what it waited for waits no more', async (context) => {
  const { one, two, push } = await startTwo(context);
  await push({ 'roles/db.yaml': NEEDS_ADDRESS });
  await two.intake.refresh();
  await reportAddress(one, 'web-1');
  await until('db-1 has it', async () => (await one.manifest('db-1')).body.includes('10.4.5.6'));
  await one.intake.idle();
  await two.intake.refresh();
  assert.deepEqual((await two.inject('/v1/status')).json().pending, []);
});

test('an address that was reported before it was known that it is asked for reaches who needs it', async (context) => {
  const { one, two, push } = await startTwo(context);
  // The first does not hear of it, as what it compiles with was read just before.
  await reportAddress(two, 'web-1');
  await push({ 'roles/db.yaml': NEEDS_ADDRESS });
  assert.match((await one.inject('/v1/hosts/db-1')).json().why, /waiting for web-1 to report an address/);
  await two.intake.refresh();
  await until('db-1 has it', async () => (await two.manifest('db-1')).body.includes('10.4.5.6'));
});

test('a push that was compiled with an address of before does not bring that back', async (context) => {
  const { one, two, push } = await startTwo(context);
  await push({ 'roles/db.yaml': NEEDS_ADDRESS });
  await reportAddress(one, 'web-1', '10.4.5.5');
  await until('db-1 has it', async () => (await one.manifest('db-1')).body.includes('10.4.5.5'));
  await two.intake.refresh();
  // The first does not hear of it, as if it had begun to compile just before.
  await reportAddress(two, 'web-1', '10.4.5.6');
  await until('db-1 has the other', async () => (await two.manifest('db-1')).body.includes('10.4.5.6'));
  await two.intake.idle();
  const revision = await push({ 'roles/db.yaml': `${NEEDS_ADDRESS}  /y: { content: y }\n` });
  assert.match((await one.manifest('db-1')).body, /10\.4\.5\.5/);
  await two.intake.refresh();
  await until(
    'db-1 has the newer one with the newer revision',
    async () => {
      const { body } = await two.manifest('db-1');
      return body.includes('10.4.5.6') && body.includes(revision);
      // Looks for other addresses leave time to each other.
    },
    60_000,
  );
});

test('where secrets are others, it is compiled', async (context) => {
  const { two, compiled, push } = await startTwo(context);
  await push({ 'roles/web.yaml': STOPPED });
  const before = compiled();
  await two.writeSecrets('api_key: another-one-entirely\n');
  await two.intake.refresh();
  assert.equal(compiled(), before + 1);
});

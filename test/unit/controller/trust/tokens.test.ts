import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { newSecret, tokenText } from '../../../../controller/trust/secret-text.ts';
import { openTrust } from '../../../../controller/trust/trust.ts';
import { keyFor, newMachine } from '../../../controller/call.ts';
import { scratch } from '../../../programs/controller/git.ts';
import { quiet, startTrust } from './support.ts';

const DAY_MS = 86_400_000;

test('the first start leaves the token of an administrator in a file for its owner alone, and no later one does', async (context) => {
  const { trust, store, stateDirectory } = await startTrust(context);
  const file = join(stateDirectory, 'admin.token');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const text = (await readFile(file, 'utf8')).trim();
  assert.match(text, /^hf_[0-9a-f]{12}_[\w-]{43}$/);
  const check = await trust.tokens.check(text);
  assert.ok(check.ok && check.token.role === 'admin');
  const stored = JSON.stringify(await store.db.selectFrom('tokens').selectAll().execute());
  assert.ok(!stored.includes(text.slice(16)), 'only its hash is stored');
  await openTrust({ store, stateDirectory, now_ms: Date.now, log: quiet });
  assert.equal((await trust.tokens.list()).length, 1);
});

test('a token of the operator’s own provisioning is taken from its file; one that was revoked stays revoked', async (context) => {
  const folder = await scratch(context);
  const { trust, store, stateDirectory } = await startTrust(context);
  const adminTokenFile = join(folder, 'admin.token');
  const made = newSecret();
  await writeFile(adminTokenFile, `${tokenText(made)}\n`);
  const open = () => openTrust({ store, stateDirectory, adminTokenFile, now_ms: Date.now, log: quiet });
  await open();
  assert.ok((await trust.tokens.check(tokenText(made))).ok);
  await trust.tokens.revoke(made.id);
  await open();
  assert.deepEqual(await trust.tokens.check(tokenText(made)), { ok: false, why: 'revoked', id: made.id });
  await writeFile(adminTokenFile, 'nonsense\n');
  await assert.rejects(open(), /admin\.token: expected hf_/);
});

test('a token ends at its time and when it is revoked, on every controller at once; its use is noted', async (context) => {
  const { trust, clock, store, stateDirectory } = await startTrust(context);
  const other = await openTrust({ store, stateDirectory, now_ms: () => clock.now_ms, log: quiet });
  const brief = await trust.tokens.create({
    name: 'brief',
    role: 'read',
    createdBy: 'x',
    expires_ms: clock.now_ms + DAY_MS,
  });
  assert.ok((await other.tokens.check(brief.text)).ok);
  assert.equal((await trust.tokens.list()).find(({ id }) => id === brief.id)?.last_used_ms, clock.now_ms);
  const lasting = await trust.tokens.create({ name: 'ann', role: 'deploy', createdBy: 'x' });
  assert.ok((await other.tokens.check(lasting.text)).ok);
  await trust.tokens.revoke(lasting.id);
  await new Promise(setImmediate);
  assert.equal((await other.tokens.check(lasting.text)).ok, false);
  clock.now_ms += DAY_MS;
  assert.deepEqual(await other.tokens.check(brief.text), { ok: false, why: 'expired', id: brief.id });
});

test('a certificate ends at its time; a host that is enrolled again holds one certificate', async (context) => {
  const { trust, clock } = await startTrust(context);
  const machine = newMachine();
  const claim = { id: machine, start: '0'.repeat(16) };
  const { csr } = keyFor('web-1');
  const { fingerprint } = await trust.certificates.issue('web-1', csr, machine);
  assert.deepEqual(await trust.certificates.check(fingerprint, claim), { ok: true, host: 'web-1' });
  clock.now_ms += 91 * DAY_MS;
  assert.deepEqual(await trust.certificates.check(fingerprint, claim), { ok: false, why: 'expired', host: 'web-1' });
  assert.deepEqual(await trust.certificates.machinesOf('web-1'), []);
  await trust.certificates.issue('web-1', csr, machine);
  assert.equal((await trust.certificates.revokeHost('web-1', 'x', 'again')).length, 1);
});

test('another authority on a database that controllers share is refused; on a file of one’s own it is told', async (context) => {
  const { store } = await startTrust(context);
  const elsewhere = join(await scratch(context), 'state');
  const told: string[] = [];
  const log = { ...quiet, warn: (_details: object, message: string) => void told.push(message) };
  await assert.rejects(
    openTrust({ store: { ...store, shared: true }, stateDirectory: elsewhere, now_ms: Date.now, log }),
    /begun with another certificate authority .*--ca-cert and --ca-key/,
  );
  await openTrust({ store, stateDirectory: elsewhere, now_ms: Date.now, log });
  assert.match(told.join(), /every host has to enrol again/);
});

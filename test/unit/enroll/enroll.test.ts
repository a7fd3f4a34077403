import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { Credentials } from '../../../agent/daemon/credentials.ts';
import { Renewal, renewAt_ms } from '../../../agent/daemon/renewal.ts';
import { enroll } from '../../../agent/enroll/enroll.ts';
import { machineId, readIdentity } from '../../../agent/enroll/identity.ts';
import { linuxFiles } from '../../../agent/host/files/linux.ts';
import { type ControllerProcess, startController } from '../../controller/controller-process.ts';
import { scratch } from '../../programs/controller/git.ts';
import { recordingLog } from '../daemon/support.ts';

const DAY_MS = 86_400_000;
const files = linuxFiles();

let controller: ControllerProcess;

before(async () => {
  controller = await startController();
});
after(() => controller.stop());

async function folderOf(context: TestContext): Promise<string> {
  return join(await scratch(context), 'agent');
}

function options(stateDirectory: string, joinToken: string, host = 'web-1') {
  const url = new URL(controller.url);
  return { controller: url, host, joinToken, stateDirectory, files, agentVersion: '1', again: false, wait_ms: 0 };
}

/** A renewal whose clock a test sets. */
function renewalOf(context: TestContext, stateDirectory: string, clock: { now_ms: number }) {
  const { log, lines } = recordingLog();
  const credentials = new Credentials(stateDirectory);
  context.after(() => credentials.close());
  const config = {
    host: 'web-1',
    controller: new URL(controller.url),
    statsd: 'off',
    stateDirectory,
    runDirectory: '/nowhere',
  } as const;
  const renewal = new Renewal({ config, credentials, files, version: '1', log, now_ms: () => clock.now_ms });
  return { renewal, credentials, lines };
}

test('an enrolment leaves one file for root alone; a second one with the same token is nothing to do', async (context) => {
  const stateDirectory = await folderOf(context);
  const token = await controller.operator.joinToken({ host: 'web-1' });
  const { identity, isNew } = await enroll(options(stateDirectory, token));
  assert.equal(isNew, true);
  assert.equal((await stat(join(stateDirectory, 'identity.pem'))).mode & 0o777, 0o600);
  assert.ok(new X509Certificate(identity.certificate).verify(new X509Certificate(identity.ca).publicKey));
  assert.match(machineId(stateDirectory) ?? '', /^[0-9a-f]{32}\.[0-9a-f]{32}$/);
  const again = await enroll(options(stateDirectory, token));
  assert.deepEqual([again.isNew, again.identity.fingerprint], [false, identity.fingerprint]);
  await assert.rejects(
    enroll({ ...options(stateDirectory, token), again: true }),
    /join token was used as often as it may be/,
  );
  assert.equal(readIdentity(stateDirectory)?.fingerprint, identity.fingerprint, 'what was there stays');
});

test('a host whose certificate was revoked is enrolled by the command that the refusal names', async (context) => {
  const stateDirectory = await folderOf(context);
  const first = await enroll(options(stateDirectory, await controller.operator.joinToken({ host: 'web-1' })));
  await controller.operator.call({ path: '/v1/certificates/of/web-1/revoke', body: { why: 'test' } });
  const again = await enroll(options(stateDirectory, await controller.operator.joinToken({ host: 'web-1' })));
  assert.equal(again.isNew, true);
  assert.notEqual(again.identity.fingerprint, first.identity.fingerprint);
});

test('a controller with another authority than the token pins gets nothing, and not even the token', async (context) => {
  const token = await controller.operator.joinToken({ host: 'web-1' });
  const forged = token.replace(/[0-9a-f]{64}$/, '0'.repeat(64));
  const stateDirectory = await folderOf(context);
  await assert.rejects(enroll(options(stateDirectory, forged)), /is not the controller that made this join token/);
  assert.equal(readIdentity(stateDirectory), undefined);
  // It was not shown to anybody: it is still good.
  assert.equal((await enroll(options(stateDirectory, token))).isNew, true);
});

test('what cannot work is said with what to do', async (context) => {
  const stateDirectory = await folderOf(context);
  const token = await controller.operator.joinToken({ host: 'web-1' });
  await assert.rejects(enroll(options(stateDirectory, 'hf_nonsense')), /this is no join token/);
  const there = options(stateDirectory, token);
  await assert.rejects(enroll({ ...there, controller: new URL('http://127.0.0.1:1') }), /begins with https/);
  await assert.rejects(enroll({ ...there, controller: new URL('https://127.0.0.1:1') }), /ECONNREFUSED/);
  await assert.rejects(enroll({ ...there, host: 'web-2' }), /is for web-1 alone; give --host web-1/);
  const named = new URL(controller.url.replace('127.0.0.1', '127.0.0.2'));
  await assert.rejects(enroll({ ...there, controller: named }), /ECONNREFUSED|start the controller with --name/);
});

test('a certificate is renewed by itself when two thirds of it are over, with a new key, and not before', async (context) => {
  const stateDirectory = await folderOf(context);
  await enroll(options(stateDirectory, await controller.operator.joinToken({ host: 'web-1' })));
  const before_ = readIdentity(stateDirectory);
  assert.ok(before_ !== undefined);
  const clock = { now_ms: Date.now() };
  const { renewal, credentials, lines } = renewalOf(context, stateDirectory, clock);
  assert.equal(await renewal.tick(), false);
  clock.now_ms += 53 * DAY_MS;
  assert.equal(await renewal.tick(), false);
  clock.now_ms += 8 * DAY_MS;
  assert.equal(await renewal.tick(), true, lines.join('\n'));
  const renewed = readIdentity(stateDirectory);
  assert.ok(renewed !== undefined);
  assert.notEqual(renewed.fingerprint, before_.fingerprint);
  assert.notEqual(renewed.key, before_.key);
  assert.match(lines.join('\n'), /the certificate of web-1 is renewed; it holds until/);
  assert.equal(credentials.current().identity.fingerprint, renewed.fingerprint);
});

test('a renewal that fails is told, and tried again in an hour', async (context) => {
  const stateDirectory = await folderOf(context);
  await enroll(options(stateDirectory, await controller.operator.joinToken({ host: 'web-1' })));
  await controller.operator.call({ path: '/v1/certificates/of/web-1/revoke', body: { why: 'lost' } });
  const clock = { now_ms: Date.now() + 80 * DAY_MS };
  const { renewal, lines } = renewalOf(context, stateDirectory, clock);
  for (let minute = 0; minute < 61; minute += 1) {
    await renewal.tick();
    clock.now_ms += 60_000;
  }
  assert.equal(lines.length, 2, lines.join('\n'));
  assert.match(lines[0] ?? '', /could not be renewed, and is tried again in an hour: .*is revoked: lost/);
});

test('the view of a certificate says until when it holds, and warns only when its renewal fails', async (context) => {
  const stateDirectory = await folderOf(context);
  const clock = { now_ms: Date.now() };
  const { renewal } = renewalOf(context, stateDirectory, clock);
  assert.equal(renewal.view(), undefined, 'not enrolled yet');
  await enroll(options(stateDirectory, await controller.operator.joinToken({ host: 'web-1' })));
  const identity = readIdentity(stateDirectory);
  assert.ok(identity !== undefined);
  const { expires_ms } = identity;
  const renewal_ms = Math.round(renewAt_ms(identity));
  assert.deepEqual(renewal.view(), { expires_ms, renewal_ms });
  clock.now_ms = renewal_ms + 1;
  assert.deepEqual(renewal.view(), { expires_ms, renewal_ms }, 'due, and not tried yet');
  assert.equal(await renewal.tick(), true);
  assert.ok((renewal.view()?.expires_ms ?? 0) >= expires_ms);
  assert.equal(renewal.view()?.warning, undefined);
});

test('a renewal that fails is in the view with its reason, until another certificate is there', async (context) => {
  const stateDirectory = await folderOf(context);
  const first = await enroll(options(stateDirectory, await controller.operator.joinToken({ host: 'web-1' })));
  await controller.operator.call({ path: '/v1/certificates/of/web-1/revoke', body: { why: 'lost' } });
  const clock = { now_ms: renewAt_ms(first.identity) + 1 };
  const { renewal } = renewalOf(context, stateDirectory, clock);
  await renewal.tick();
  const failing = renewal.view();
  assert.equal(failing?.renewalFailed?.at_ms, clock.now_ms);
  assert.match(failing?.renewalFailed?.reason ?? '', /is revoked: lost/);
  assert.match(failing?.warning ?? '', /^its renewal is due since \S+Z and fails: .*is revoked: lost/);

  clock.now_ms = first.identity.expires_ms;
  assert.match(renewal.view()?.warning ?? '', /^it has expired: .*enroll --join-token-file.*is revoked: lost/);

  clock.now_ms = Date.now();
  await enroll(options(stateDirectory, await controller.operator.joinToken({ host: 'web-1' })));
  await renewal.tick();
  const { renewalFailed, warning } = renewal.view() ?? {};
  assert.deepEqual([renewalFailed, warning], [undefined, undefined]);
});

test('hosts that were enrolled together renew at different times, between six tenths and two thirds', () => {
  const moments = Array.from({ length: 100 }, (_, index) =>
    renewAt_ms({
      issued_ms: 0,
      expires_ms: 90,
      fingerprint: ((index * 42_949_672) >>> 0).toString(16).padStart(8, '0'),
    }),
  );
  assert.ok(moments.every((moment) => moment >= 54 && moment <= 60));
  assert.ok(new Set(moments.map((moment) => moment.toFixed(1))).size > 30);
});

test('a copied state directory on a machine with another machine-id is another machine', async (context) => {
  const folder = await scratch(context);
  await writeFile(join(folder, 'install-id'), `${'a'.repeat(32)}\n`);
  const ids = await Promise.all(
    ['one', 'two'].map(async (name) => {
      await writeFile(join(folder, name), `${name}\n`);
      return machineId(folder, [join(folder, 'none'), join(folder, name)]);
    }),
  );
  assert.notEqual(ids[0], ids[1]);
  assert.ok(!ids.join().includes(await readFile('/etc/machine-id', 'utf8').catch(() => 'no machine-id')));
});

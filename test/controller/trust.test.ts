/** Tries to get in: a real controller as a process, real TLS, real certificates. Nothing gets through, and it stays up. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text as wholeText } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Authority } from '../../controller/trust/authority.ts';
import { until } from '../programs/controller/bench.ts';
import { call, EnrolledHost, keyFor, newMachine, newStart } from './call.ts';
import { type ControllerProcess, startController } from './controller-process.ts';

let controller: ControllerProcess;
let web: EnrolledHost;

before(async () => {
  controller = await startController({ args: ['--name', 'controller.example', '--name', '127.0.0.1'] });
  web = await controller.operator.enroll('web-1');
  assert.equal((await web.call({ path: 'manifest' })).status, 200);
});

after(async () => {
  // Whatever was tried: it serves whom it may serve.
  assert.equal((await web.call({ path: 'manifest' })).status, 200);
  assert.equal((await controller.operator.call({ path: '/v1/status' })).status, 200);
  await controller.stop();
});

interface Refusal {
  readonly status: number;
  readonly code: string;
}

async function refusal(answer: Promise<{ readonly status: number; readonly body: string }>): Promise<Refusal> {
  const { status, body } = await answer;
  assert.doesNotMatch(body, /"resources":/);
  const { code = '' }: { readonly code?: string } = JSON.parse(body);
  return { status, code };
}

let calls = 0;

/** Each from an address of its own: who fails often from one address is only told to wait. */
const stranger = () => {
  calls += 1;
  return { ca: controller.operator.ca, localAddress: `127.1.${calls >> 8}.${calls & 0xff}` };
};

const anonymous = (path: string, headers: Readonly<Record<string, string>> = {}, body?: unknown) =>
  call(controller.url, stranger(), { path, headers, body });

test('without a credential there are the health, the description and the authority, and nothing else', async () => {
  for (const path of ['/healthz', '/openapi.json', '/v1/ca']) assert.equal((await anonymous(path)).status, 200, path);
  assert.deepEqual(await refusal(anonymous('/v1/hosts/web-1/manifest')), { status: 401, code: 'no-certificate' });
  assert.deepEqual(await refusal(anonymous('/v1/hosts/web-1/reports', {}, {})), {
    status: 401,
    code: 'no-certificate',
  });
  const status = await anonymous('/v1/status');
  assert.deepEqual(await refusal(Promise.resolve(status)), { status: 401, code: 'no-token' });
  assert.match(String(status.headers['www-authenticate']), /Basic realm=/);
});

test('wrong, foreign and unfit tokens are refused, and none of them stands in the log', async () => {
  const good = controller.operator.token;
  const wrong = `${good.slice(0, -1)}${good.endsWith('A') ? 'B' : 'A'}`;
  const bearer = (token: string) => anonymous('/v1/status', { authorization: `Bearer ${token}` });
  assert.deepEqual(await refusal(bearer(wrong)), { status: 401, code: 'token-unknown' });
  assert.deepEqual(await refusal(bearer(`hf_${'0'.repeat(12)}_${'A'.repeat(43)}`)), {
    status: 401,
    code: 'token-unknown',
  });
  assert.deepEqual(await refusal(bearer("' or 1=1 --")), { status: 401, code: 'no-token' });
  const joinToken = await controller.operator.joinToken({ host: 'db-1' });
  assert.deepEqual(await refusal(bearer(joinToken)), { status: 401, code: 'token-malformed' });
  const basic = Buffer.from(`anybody:${good}`).toString('base64');
  assert.equal((await anonymous('/v1/status', { authorization: `Basic ${basic}` })).status, 200);
  const log = JSON.stringify(controller.lines);
  for (const secret of [wrong.slice(16), good.slice(16), joinToken.slice(17, 60)]) assert.ok(!log.includes(secret));
});

test('a role does what it may, and a token that was revoked or is over does nothing', async () => {
  const { operator } = controller;
  const make = async (body: object) =>
    (await operator.call({ path: '/v1/tokens', body })).json<{ readonly token: string; readonly id: string }>();
  const reader = await make({ name: 'wallboard', role: 'read' });
  const as = (token: string, path: string, method = 'GET') =>
    call(controller.url, stranger(), { path, method, headers: { authorization: `Bearer ${token}` } });
  assert.equal((await as(reader.token, '/v1/status')).status, 200);
  assert.deepEqual(await refusal(as(reader.token, '/v1/refresh', 'POST')), { status: 403, code: 'role' });
  assert.deepEqual(await refusal(as(reader.token, '/v1/tokens')), { status: 403, code: 'role' });
  assert.deepEqual(await refusal(as(reader.token, '/v1/hosts/web-1/manifest')), {
    status: 401,
    code: 'no-certificate',
  });
  assert.equal((await operator.call({ method: 'DELETE', path: `/v1/tokens/${reader.id}` })).status, 200);
  assert.deepEqual(await refusal(as(reader.token, '/v1/status')), { status: 401, code: 'token-revoked' });
  const brief = await make({ name: 'brief', role: 'deploy', validFor: '1s' });
  await delay(1100);
  assert.deepEqual(await refusal(as(brief.token, '/v1/status')), { status: 401, code: 'token-expired' });
});

test('a join token is for its host, for its uses and for its time', async () => {
  const { operator, url } = controller;
  const enroll = (joinToken: string, host: string, machine = newMachine()) =>
    call(url, stranger(), {
      path: '/v1/enroll',
      headers: { authorization: `Bearer ${joinToken}` },
      body: { host, csr: keyFor(host).csr, machine },
    });
  const forDb = await operator.joinToken({ host: 'db-1' });
  assert.deepEqual(await refusal(enroll(forDb, 'web-1')), { status: 403, code: 'join-token-host' });
  const wrong = forDb.replace(/(?<=^hfj_[0-9a-f]{12}_)[\w-]{43}/, randomBytes(32).toString('base64url'));
  assert.deepEqual(await refusal(enroll(wrong, 'db-1')), { status: 401, code: 'join-token-unknown' });
  assert.equal((await enroll(forDb, 'db-1')).status, 201);
  assert.deepEqual(await refusal(enroll(forDb, 'db-1')), { status: 401, code: 'join-token-used' });
  const brief = await operator.joinToken({ host: 'db-1', validFor: '1s' });
  await delay(1100);
  assert.deepEqual(await refusal(enroll(brief, 'db-1')), { status: 401, code: 'join-token-expired' });
  const any = await operator.joinToken({ uses: 5 });
  assert.deepEqual(await refusal(enroll(any, 'nobody-1')), { status: 403, code: 'unknown-host' });
  assert.deepEqual(await refusal(enroll(any, 'db-1')), { status: 409, code: 'host-taken' });
  assert.deepEqual(await refusal(enroll(operator.token, 'db-1')), { status: 401, code: 'join-token-malformed' });
});

test('of two machines that hurry with one token one is let in', async () => {
  const { operator, url } = controller;
  const joinToken = await operator.joinToken({ host: 'db-1' });
  const enroll = () => EnrolledHost.enroll({ url, ca: operator.ca, host: 'db-1', joinToken });
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, enroll));
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('names that are paths, and requests that are none, enrol nobody', async () => {
  const { operator } = controller;
  const token = await operator.joinToken({ uses: 50 });
  const headers = { authorization: `Bearer ${token}` };
  const { csr } = keyFor('web-1');
  for (const host of [
    '../web-1',
    'web-1/../../etc',
    '/etc/passwd',
    'WEB-1',
    'web-1\u0000',
    '',
    '-x',
    'a'.repeat(300),
    '..',
  ]) {
    const answer = await anonymous('/v1/enroll', headers, { host, csr, machine: newMachine() });
    assert.equal(answer.status, 422, host);
  }
  const bad = ['', 'nonsense', csr.replace(/.{20}\n/, `${'A'.repeat(20)}\n`), `${csr}${'A'.repeat(5000)}`];
  for (const text of bad) {
    const answer = await anonymous('/v1/enroll', headers, { host: 'web-1', csr: text, machine: newMachine() });
    assert.equal(answer.status, 422, text.slice(0, 40));
  }
});

test('a host reaches nothing but what is its own, however the path is written', async () => {
  const paths = ['/v1/hosts/db-1/manifest', '/v1/hosts/%64b-1/manifest'];
  for (const path of paths)
    assert.deepEqual(await refusal(web.call({ path })), { status: 403, code: 'other-host' }, path);
  assert.deepEqual(await refusal(web.call({ path: '/v1/hosts/db-1/reports', body: {} })), {
    status: 403,
    code: 'other-host',
  });
  const tricks = [
    '/v1/hosts/..%2fdb-1/manifest',
    '/v1/hosts/web-1%2f..%2fdb-1/manifest',
    '/v1/hosts/%2e%2e/manifest',
    '/v1/hosts/web-1%00/manifest',
    '/v1/hosts/db-1%20/manifest',
    '/v1/hosts/DB-1/manifest',
    '//v1/hosts/db-1/manifest',
    '/v1/hosts//manifest',
  ];
  for (const path of tricks) {
    const { status, body } = await call(controller.url, web.way, {
      path,
      headers: { 'holdfast-machine': web.machine },
    });
    assert.ok(status === 400 || status === 404, `${path}: ${status}`);
    assert.doesNotMatch(body, /"resources":/);
  }
  const elsewhere = web.with({ way: { ...web.way, ...stranger() } });
  assert.deepEqual(await refusal(elsewhere.call({ path: '/v1/hosts' })), { status: 401, code: 'no-token' });
  assert.deepEqual(await refusal(elsewhere.call({ path: '/v1/tokens', body: { name: 'x', role: 'admin' } })), {
    status: 401,
    code: 'no-token',
  });
});

test('a certificate of another authority, of nobody, or of the controller itself opens nothing', async () => {
  const { folder } = controller;
  const foreign = await Authority.open({ stateDirectory: join(folder, 'foreign'), now_ms: Date.now });
  const { key, csr } = keyFor('web-1');
  const { pem } = await foreign.issueHost('web-1', csr);
  const show = (way: { readonly key: string; readonly cert: string }) =>
    call(
      controller.url,
      { ...stranger(), ...way },
      {
        path: '/v1/hosts/web-1/manifest',
        headers: { 'holdfast-machine': web.machine },
      },
    );
  assert.deepEqual(await refusal(show({ key, cert: pem })), { status: 401, code: 'foreign-certificate' });
  // Even with the key of the authority: what it did not write down is not known.
  const own = await Authority.open({ stateDirectory: controller.stateDirectory, now_ms: Date.now });
  const unknown = await own.issueHost('web-1', csr);
  assert.deepEqual(await refusal(show({ key, cert: unknown.pem })), { status: 401, code: 'unknown-certificate' });
  const server = await own.issueServer(['web-1']);
  assert.equal((await refusal(show({ key: server.key, cert: server.pem }))).status, 401);
});

test('a revoked certificate is refused at once, on connections that are open, too', async () => {
  const { operator } = controller;
  const host = await operator.enroll('db-1');
  const { headers } = await host.call({ path: 'manifest' });
  const held = host.call({ path: 'manifest?wait=60', headers: { 'if-none-match': String(headers.etag) } });
  const cut = assert.rejects(held, 'the held request ends without an answer');
  await delay(200);
  const begun = performance.now();
  const answer = await operator.call({ path: '/v1/certificates/of/db-1/revoke', body: { why: 'stolen' } });
  assert.equal(answer.status, 200);
  await cut;
  assert.ok(performance.now() - begun < 5000);
  const { status, body } = await host.call({ path: 'manifest' });
  assert.equal(status, 403);
  assert.match(body, /is revoked: stolen; .*holdfast-agent enroll/);
  assert.deepEqual(await refusal(host.call({ path: 'certificate', body: { csr: keyFor('db-1').csr } })), {
    status: 403,
    code: 'certificate-revoked',
  });
});

test('a revoked host waits at its bell no longer', async () => {
  const small = await startController({ args: ['--held-requests', '0'] });
  const { operator, url } = small;
  try {
    const host = await operator.enroll('db-1');
    const { headers } = await host.call({ path: 'manifest' });
    const { headers: offer } = await host.call({
      path: 'manifest?wait=60',
      headers: { 'if-none-match': String(headers.etag), 'holdfast-accepts': 'bell' },
    });
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write(`holdfast-bell/1 ${String(offer['holdfast-bell'])}\n`),
    );
    assert.equal(String((await once(socket, 'data'))[0]), 'ok\n');
    const heard = wholeText(socket);
    await operator.call({ path: '/v1/certificates/of/db-1/revoke', body: { why: 'stolen' } });
    assert.equal(await heard, '');
  } finally {
    await small.stop();
  }
});

test('renewal gives another certificate, and the old one ends when the new one is used', async () => {
  const host = await controller.operator.enroll('db-1');
  const { key, csr } = keyFor('db-1');
  assert.equal((await host.call({ path: 'manifest' })).status, 200);
  const answer = await host.call({ path: 'certificate', body: { csr } });
  assert.equal(answer.status, 201, answer.body);
  const cert = answer.json<{ readonly certificate: string }>().certificate;
  const renewed = host.with({ way: { ...host.way, key, cert } });
  // The answer may be lost on its way: until the new one has been seen, the old one counts.
  assert.equal((await host.call({ path: 'manifest' })).status, 200);
  assert.equal((await renewed.call({ path: 'manifest' })).status, 200);
  assert.deepEqual(await refusal(host.call({ path: 'manifest' })), { status: 403, code: 'certificate-revoked' });
  assert.equal((await renewed.call({ path: 'manifest' })).status, 200);
});

test('a copy on another machine is refused, and the original goes on', async () => {
  const host = await controller.operator.enroll('db-1');
  const copy = host.with({ machine: `${newMachine()}.${newStart()}` });
  assert.equal((await host.call({ path: 'manifest' })).status, 200);
  const { status, body } = await copy.call({ path: 'manifest' });
  assert.equal(status, 403);
  assert.match(body, /given to another machine, of which this one is a copy; .* on it run: holdfast-agent enroll/);
  assert.equal((await host.call({ path: 'manifest' })).status, 200);
  const missing = await call(controller.url, host.way, { path: '/v1/hosts/db-1/manifest' });
  assert.equal(missing.status, 400);
});

test('a perfect copy that runs beside its original is noticed, and both are refused until they are enrolled again', async () => {
  const host = await controller.operator.enroll('db-1');
  const twin = host.with({ machine: host.machine.replace(/[^.]+$/, newStart()) });
  const seen: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    seen.push((await host.call({ path: 'manifest' })).status, (await twin.call({ path: 'manifest' })).status);
  }
  assert.deepEqual(seen.slice(-2), [403, 403]);
  assert.equal(seen[0], 200);
  assert.deepEqual(await refusal(host.call({ path: 'manifest' })), { status: 403, code: 'clone' });
  const again = await controller.operator.enroll('db-1');
  assert.equal((await again.call({ path: 'manifest' })).status, 200);
  assert.deepEqual(await refusal(twin.call({ path: 'manifest' })), { status: 403, code: 'certificate-revoked' });
});

test('an agent that is started again and again is no copy', async () => {
  const host = await controller.operator.enroll('db-1');
  for (let start = 0; start < 12; start += 1) {
    const started = host.with({ machine: host.machine.replace(/[^.]+$/, newStart()) });
    for (let index = 0; index < 2; index += 1) assert.equal((await started.call({ path: 'manifest' })).status, 200);
  }
});

test('what an earlier start has asked, and is held still, is no sign of a copy when it goes on', async () => {
  const host = await controller.operator.enroll('db-1');
  const { etag = '' } = (await host.call({ path: 'manifest' })).headers;
  const offer = { connection: 'keep-alive, upgrade', upgrade: 'holdfast-held', 'if-none-match': etag };
  // Of a machine that was cut from its power: nothing has told the controller that nobody is there any more.
  const held = host.call({ path: 'manifest?wait=2', headers: offer });
  await until('it is held', async () => (await controller.operator.call({ path: '/v1/status' })).json()['held'] === 1);
  const started = host.with({ machine: host.machine.replace(/[^.]+$/, newStart()) });
  assert.equal((await started.call({ path: 'manifest' })).status, 200);
  assert.equal((await held).status, 304);
  for (let index = 0; index < 3; index += 1) assert.equal((await started.call({ path: 'manifest' })).status, 200);
});

function report(host: string, sentAt_ms: number): object {
  return { host, agentVersion: '0.1.0', sentAt_ms, mode: 'enforce', past: [], pastDropped: 0 };
}

test('a report of another host is refused, whoever sends it', async () => {
  const answer = await web.call({ path: 'reports', body: report('db-1', Date.now()) });
  assert.equal(answer.status, 422);
  const recorded = await anonymous('/v1/hosts/web-1/reports', { 'holdfast-machine': web.machine }, report('web-1', 1));
  assert.equal(recorded.status, 401);
});

test('a report that is sent again counts once', async () => {
  const { operator } = controller;
  const run = (started_ms: number, status: string) => ({
    revision: 'r',
    dryRun: false,
    started_ms,
    duration_ms: 1,
    resources: [{ kind: 'files', name: '/x', status, error: 'e' }],
  });
  const send = (sentAt_ms: number, started_ms: number, status: string) =>
    web.call({ path: 'reports', body: { ...report('web-1', sentAt_ms), run: run(started_ms, status) } });
  const state = async () => (await operator.call({ path: '/v1/hosts/web-1' })).body;
  assert.equal((await send(1000, 1, 'failed')).status, 204);
  assert.match(await state(), /"state":"failed"/);
  assert.equal((await send(2000, 2, 'converged')).status, 204);
  const later = await state();
  assert.doesNotMatch(later, /"state":"failed"/);
  assert.equal((await send(1000, 1, 'failed')).status, 204, 'an agent whose answer was lost has done nothing wrong');
  assert.doesNotMatch(await state(), /"state":"failed"/);
});

import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { HostFacts } from '../../../controller/compile/address.ts';
import { Hosts } from '../../../controller/hosts.ts';
import { type Bench, reportOf, startBench, until } from './bench.ts';
import { TestRepository } from './git.ts';

const STOPPED = 'services:\n  nginx: stopped\n';

async function start(context: TestContext): Promise<{ bench: Bench; repository: TestRepository }> {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  return { bench, repository };
}

test('a manifest comes with a weak ETag and its revision, and 304 for who has it', async (context) => {
  const { bench } = await start(context);
  const first = await bench.manifest('web-1');
  assert.equal(first.status, 200);
  assert.match(first.etag, /^W\/"[\w-]+"$/);
  for (const tag of [first.etag, first.etag.replace('W/', ''), `"other", ${first.etag}`, '*']) {
    const again = await bench.manifest('web-1', { 'if-none-match': tag });
    assert.deepEqual([again.status, again.body, again.etag], [304, '', first.etag]);
  }
  assert.equal((await bench.manifest('web-1', { 'if-none-match': '"other"' })).status, 200);
});

test('a manifest goes packed to who accepts that, and means the same', async (context) => {
  const { bench } = await start(context);
  const plain = await bench.manifest('web-1');
  const get = (accepted: string) =>
    bench.inject({ url: '/v1/hosts/web-1/manifest', headers: { 'accept-encoding': accepted } });
  for (const accepted of ['gzip', 'br;q=1.0, GZIP;q=0.8, *;q=0.1']) {
    const { headers, rawPayload } = await get(accepted);
    assert.deepEqual(
      [headers['content-encoding'], headers['vary'], headers.etag],
      ['gzip', 'accept-encoding', plain.etag],
    );
    assert.equal(gunzipSync(rawPayload).toString(), plain.body);
  }
  for (const accepted of ['identity', 'gzip;q=0', 'br, gzip; q=0.0, deflate']) {
    const { headers, body } = await get(accepted);
    assert.deepEqual([headers['content-encoding'], headers['vary'], body], [undefined, 'accept-encoding', plain.body]);
  }
});

test('a request with the current ETag is held until the manifest changes, and no other host is woken', async (context) => {
  const { bench, repository } = await start(context);
  const web = await bench.manifest('web-1');
  const db = await bench.manifest('db-1');
  const heldWeb = bench.inject({ url: '/v1/hosts/web-1/manifest?wait=60', headers: { 'if-none-match': web.etag } });
  const heldDb = bench.inject({
    url: '/v1/hosts/db-1/manifest',
    headers: { 'if-none-match': db.etag, prefer: 'wait=60' },
  });
  await until('both are held', () => bench.waiters.count === 2);
  const revision = await repository.commit({ 'roles/web.yaml': STOPPED });
  await bench.intake.refresh();
  const answer = await heldWeb;
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.headers['holdfast-revision'], revision);
  assert.equal(answer.headers['preference-applied'], 'wait=60');
  assert.equal(bench.waiters.count, 1);
  bench.waiters.close();
  const closing = await heldDb;
  assert.deepEqual([closing.statusCode, closing.headers.connection], [304, 'close']);
});

test('a refused revision, and its end, end held requests with what is wanted and why it is not served', async (context) => {
  const { bench, repository } = await start(context);
  const { etag } = await bench.manifest('web-1');
  const hold = () => bench.inject({ url: '/v1/hosts/web-1/manifest?wait=60', headers: { 'if-none-match': etag } });
  const held = hold();
  await until('it is held', () => bench.waiters.count === 1);
  const broken = await repository.commit({ 'roles/web.yaml': 'servces: {}\n' });
  await bench.intake.refresh();
  const refused = await held;
  assert.equal(refused.statusCode, 304);
  assert.equal(refused.headers['holdfast-wanted-revision'], broken);
  assert.match(String(refused.headers['holdfast-why-different']), /is refused for 1 issue; revision \w+ is served on/);
  const heldAgain = hold();
  await until('it is held', () => bench.waiters.count === 1);
  await repository.commit({ 'roles/web.yaml': 'services:\n  nginx: running\n' });
  await bench.intake.refresh();
  const answer = await heldAgain;
  assert.equal(answer.statusCode, 304);
  assert.equal(answer.headers['holdfast-wanted-revision'], undefined);
});

test('a held request ends with 304 when its time is over', async (context) => {
  const { bench } = await start(context);
  const { etag } = await bench.manifest('web-1');
  const answer = await bench.inject({ url: '/v1/hosts/web-1/manifest?wait=1', headers: { 'if-none-match': etag } });
  assert.equal(answer.statusCode, 304);
  assert.equal(bench.waiters.count, 0);
});

test('a request that knows nothing, or something old, is never held', async (context) => {
  const { bench } = await start(context);
  assert.equal((await bench.inject('/v1/hosts/web-1/manifest?wait=60')).statusCode, 200);
  const old = await bench.inject({
    url: '/v1/hosts/web-1/manifest?wait=60',
    headers: { 'if-none-match': 'W/"old"' },
  });
  assert.equal(old.statusCode, 200);
});

test('a held request of a client that goes away is forgotten', async (context) => {
  const { bench } = await start(context);
  const { etag } = await bench.manifest('web-1');
  await bench.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = bench.app.server.address() as AddressInfo;
  const [[header, fingerprint] = []] = Object.entries(await bench.peer('web-1'));
  const socket = connect(port, '127.0.0.1');
  socket.write(
    `GET /v1/hosts/web-1/manifest?wait=600 HTTP/1.1\r\nHost: x\r\n${header}: ${fingerprint}\r\nIf-None-Match: ${etag}\r\n\r\n`,
  );
  await until('it is held', () => bench.waiters.count === 1);
  socket.destroy();
  await until('it is forgotten', () => bench.waiters.count === 0);
});

test('many requests held on one connection leave nothing behind', async (context) => {
  const { bench } = await start(context);
  const { etag } = await bench.manifest('web-1');
  const warnings: string[] = [];
  const note = (warning: Error): void => void warnings.push(warning.name);
  process.on('warning', note);
  context.after(() => process.off('warning', note));
  await bench.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = bench.app.server.address() as AddressInfo;
  const [[header, fingerprint] = []] = Object.entries(await bench.peer('web-1'));
  const socket = connect(port, '127.0.0.1');
  context.after(() => socket.destroy());
  let answers = 0;
  socket.on('data', (data) => {
    answers += data.toString().split('HTTP/1.1 304').length - 1;
  });
  for (let index = 0; index < 20; index += 1) {
    socket.write(
      `GET /v1/hosts/web-1/manifest?wait=600 HTTP/1.1\r\nHost: x\r\n${header}: ${fingerprint}\r\nIf-None-Match: ${etag}\r\n\r\n`,
    );
    await until('it is held', () => bench.waiters.count === 1);
    bench.waiters.release(['web-1']);
    await until('it is answered', () => answers === index + 1);
  }
  assert.deepEqual(warnings, []);
});

test('errors are problem+json that says what to do', async (context) => {
  const { bench } = await start(context);
  const cases: readonly (readonly [string, number, RegExp])[] = [
    ['/v1/hosts/nope/manifest', 404, /no file hosts\/nope\.yaml in the desired state/],
    ['/v1/hosts/web-1/manifest?wait=soon', 400, /number of seconds/],
    ['/v1/hosts/nope', 404, /no file hosts\/nope\.yaml/],
    ['/v2/other', 404, /there is no GET \/v2\/other/],
    ['/v1/hosts/%E0/manifest', 400, /.+/],
  ];
  for (const [url, status, detail] of cases) {
    const answer = await bench.inject(url);
    assert.equal(answer.statusCode, status, url);
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/, url);
    assert.equal(answer.json().status, status);
    assert.match(answer.json().detail, detail);
  }
});

test('before anything is served a manifest is 503 with Retry-After, and so is the health', async (context) => {
  const repository = await TestRepository.create(context);
  await repository.commit({ 'roles/web.yaml': 'nonsense: 1\n' });
  const bench = await startBench(context, repository.path);
  assert.equal((await bench.inject('/healthz')).statusCode, 503);
  await bench.intake.refresh();
  const answer = await bench.inject('/v1/hosts/web-1/manifest');
  assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [503, '5']);
  await repository.commit({ 'roles/web.yaml': STOPPED });
  await bench.intake.refresh();
  assert.deepEqual((await bench.inject('/healthz')).json().status, 'ok');
});

test('a refresh answers with what became of the push', async (context) => {
  const { bench, repository } = await start(context);
  const revision = await repository.commit({ 'roles/web.yaml': STOPPED });
  const answer = (await bench.inject({ method: 'POST', url: '/v1/refresh' })).json();
  assert.deepEqual(answer.changed, ['web-1']);
  assert.equal(answer.served.revision, revision);
});

test('a report is kept, shown, and survives a restart', async (context) => {
  const { bench, repository } = await start(context);
  const wanted = (await bench.manifest('web-1')).revision;
  const run = {
    revision: wanted,
    dryRun: false,
    started_ms: 1,
    duration_ms: 20,
    resources: [{ kind: 'services', name: 'nginx', status: 'converged' as const }],
  };
  const answer = await bench.inject({
    method: 'POST',
    url: '/v1/hosts/web-1/reports',
    payload: reportOf('web-1', { runningRevision: wanted, run }),
  });
  assert.equal(answer.statusCode, 204);
  const host = (await bench.inject('/v1/hosts/web-1')).json();
  assert.equal(host.state, 'converged');
  assert.deepEqual(host.resources, { converged: 1 });
  assert.equal(host.report.runningRevision, wanted);
  const restarted = await startBench(context, repository.path, {
    stateDirectory: bench.stateDirectory,
    store: bench.store,
  });
  assert.equal((await restarted.inject('/v1/hosts/web-1')).json().runningRevision, wanted);
});

test('reports that are malformed, of another host, of an unknown host or too large are refused', async (context) => {
  const { bench } = await start(context);
  const post = (host: string, payload: object | string) =>
    bench.inject({
      method: 'POST',
      url: `/v1/hosts/${host}/reports`,
      payload,
      headers: { 'content-type': 'application/json' },
    });
  assert.equal((await post('web-1', { host: 'web-1' })).statusCode, 422);
  assert.equal((await post('web-1', '{"host":')).statusCode, 400);
  assert.equal((await post('web-1', reportOf('db-1'))).statusCode, 422);
  assert.equal((await post('nope', reportOf('nope'))).statusCode, 404);
  assert.equal((await post('web-1', { ...reportOf('web-1'), why: 'x'.repeat(1_200_000) })).statusCode, 413);
  assert.equal((await bench.inject('/v1/hosts/web-1')).json().report, undefined);
});

test('the addresses in a report end the waiting of who needs them', async (context) => {
  const repository = await TestRepository.create(context);
  await repository.commit({
    'hosts/web-1.yaml': 'environment: dev\nroles: [web]\n',
    'roles/db.yaml': 'files:\n  /x: { content: "{{hosts.web.0.address}}" }\n',
  });
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  assert.equal((await bench.manifest('db-1')).status, 503);
  assert.match((await bench.manifest('db-1')).body, /waiting for web-1 to report an address/);
  const addresses = [
    { interface: 'lo', address: '127.0.0.1', family: 4 as const },
    { interface: 'eth1', address: '10.4.5.6', family: 4 as const },
  ];
  await bench.inject({
    method: 'POST',
    url: '/v1/hosts/web-1/reports',
    payload: reportOf('web-1', { facts: { addresses } }),
  });
  await until('db-1 has a manifest', async () => (await bench.manifest('db-1')).status === 200);
  assert.match((await bench.manifest('db-1')).body, /10\.4\.5\.6/);
});

test('addresses that are reported while a revision is compiled reach who needs them, and cost nothing where nobody does', async (context) => {
  const repository = await TestRepository.create(context);
  await repository.commit({ 'hosts/web-1.yaml': 'environment: dev\nroles: [web]\n' });
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  // Compilations read the addresses as they begin: what is reported right then is not among them.
  const known = new Map<string, HostFacts>();
  let reports = '';
  const read = context.mock.method(Hosts.prototype, 'facts', () => {
    const before = new Map(known);
    if (reports !== '') {
      known.set(reports, { addresses: ['10.4.5.6'] });
      void bench.intake.refreshFacts(reports);
      reports = '';
    }
    return before;
  });
  reports = 'db-1';
  await repository.commit({ 'roles/web.yaml': 'services:\n  nginx: stopped\n' });
  await bench.intake.refresh();
  await bench.intake.idle();
  assert.equal(read.mock.callCount(), 1, 'nobody needs the address of db-1');
  reports = 'web-1';
  await repository.commit({ 'roles/db.yaml': 'files:\n  /x: { content: "{{hosts.web.0.address}}" }\n' });
  await bench.intake.refresh();
  await until('db-1 has the address', async () => (await bench.manifest('db-1')).body.includes('10.4.5.6'));
});

test('the status tells hosts that never called, that fell silent, that lag behind, that failed, drifted or paused', async (context) => {
  const { bench, repository } = await start(context);
  const state = async () => (await bench.inject('/v1/hosts/web-1')).json();
  assert.equal((await state()).state, 'never-seen');
  const { revision } = await bench.manifest('web-1');
  assert.equal((await state()).state, 'converging');
  const send = async (status: 'converged' | 'failed' | 'drifted', more: object = {}) => {
    const resources = [
      { kind: 'services', name: 'nginx', status, ...(status === 'failed' ? { error: 'no unit' } : {}) },
    ];
    const run = { revision, dryRun: false, started_ms: 1, duration_ms: 1, resources };
    const payload = reportOf('web-1', { runningRevision: revision, run, ...more });
    assert.equal((await bench.inject({ method: 'POST', url: '/v1/hosts/web-1/reports', payload })).statusCode, 204);
    return state();
  };
  assert.equal((await send('converged')).state, 'converged');
  assert.deepEqual([(await send('failed')).state, (await state()).why], ['failed', 'services/nginx: no unit']);
  assert.equal((await send('drifted')).state, 'drifted');
  const pause = { by: 'ann', why: 'upgrade', since_ms: 1, until_ms: 2 };
  assert.deepEqual([(await send('converged', { pause })).state, (await state()).why], ['paused', 'by ann: upgrade']);
  await send('converged');
  await repository.commit({ 'roles/web.yaml': STOPPED });
  await bench.intake.refresh();
  assert.equal((await state()).state, 'behind');
  bench.clock.now_ms += 1_000_000;
  assert.deepEqual([(await state()).state, (await state()).why], ['silent', 'its agent has not called for 1000 s']);
});

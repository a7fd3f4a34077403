import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { ConfigError, loadConfig } from '../../../agent/daemon/config.ts';
import {
  type ControllerClient,
  ControllerError,
  createControllerClient,
} from '../../../agent/daemon/controller-client.ts';
import { Bells } from '../../../controller/bells.ts';
import { makeHandshakesInTurns } from '../../../controller/handshakes.ts';
import { Authority } from '../../../controller/trust/authority.ts';
import { Waiters } from '../../../controller/waiters.ts';
import type { Report } from '../../../desired-state/schema/report.ts';
import { keyFor } from '../../controller/call.ts';
import { HOST } from './support.ts';

/** An authority, a certificate of the server, and a host that is enrolled with it: once for all tests. */
const state = await mkdtemp(join(tmpdir(), 'holdfast-client-'));
after(() => rm(state, { recursive: true }));
const authority = await Authority.open({ stateDirectory: join(state, 'ca'), now_ms: Date.now });
const own = await authority.issueServer(['127.0.0.1']);
const enrolled = await enrolledState('enrolled', authority, HOST);

async function enrolledState(name: string, issuer: Authority, host: string): Promise<string> {
  const folder = join(state, name);
  const { key, csr } = keyFor(host);
  const { pem } = await issuer.issueHost(host, csr);
  await mkdir(folder);
  await writeFile(join(folder, 'identity.pem'), `${key}${pem}${issuer.certificate}`);
  await writeFile(join(folder, 'install-id'), `${'a'.repeat(32)}\n`);
  return folder;
}

interface Served {
  readonly client: ControllerClient;
  /** As the client's, with another state directory or name. */
  readonly clientOf: (stateDirectory: string, host?: string) => ControllerClient;
}

function clientAt(
  controller: URL,
  stateDirectory: string,
  host: string,
  onProblem?: (message: string) => void,
): ControllerClient {
  const config = { host, controller, statsd: 'off', stateDirectory, runDirectory: '/nowhere' } as const;
  return createControllerClient(config, '1.2.3', undefined, onProblem);
}

/** A real HTTPS server in the controller's place; the client is the real one. */
async function start(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Served> {
  const tls = { key: own.key, cert: own.pem, ca: authority.certificate, requestCert: true, rejectUnauthorized: false };
  const server = createServer(tls, answer);
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const controller = new URL(`https://127.0.0.1:${port}/base/`);
  const clientOf = (stateDirectory: string, host = HOST): ControllerClient =>
    clientAt(controller, stateDirectory, host);
  return { client: clientOf(enrolled), clientOf };
}

async function serve(...parameters: Parameters<typeof start>): Promise<ControllerClient> {
  return (await start(...parameters)).client;
}

const ask = { etag: undefined, wait_ms: 0, pauseKnown: 'none', signal: new AbortController().signal };

test('a manifest comes with its ETag and revision; the request shows the certificate, the machine and the version', async (t) => {
  let seen: IncomingMessage | undefined;
  let shown: string | undefined;
  const client = await serve(t, (request, response) => {
    seen = request;
    if (request.socket instanceof TLSSocket) {
      shown = `${request.socket.getPeerX509Certificate()?.subjectAltName} ${request.socket.authorized}`;
    }
    response.writeHead(200, { etag: 'W/"1"', 'holdfast-revision': 'abc' }).end('{"a":1}');
  });
  const { text, etag, revision } = await client.manifest(ask);
  assert.deepEqual({ text, etag, revision }, { text: '{"a":1}', etag: 'W/"1"', revision: 'abc' });
  assert.equal(seen?.url, '/base/v1/hosts/web-1/manifest');
  assert.equal(shown, 'DNS:web-1 true');
  assert.match(String(seen?.headers['holdfast-machine']), /^[0-9a-f]{32}\.a{32}\.[0-9a-f]{16}$/);
  assert.equal(seen?.headers.authorization, undefined);
  assert.equal(seen?.headers['user-agent'], 'holdfast-agent/1.2.3');
});

test('a manifest that comes packed is unpacked; one that would be too large, or is packed otherwise, is refused', async (t) => {
  const answers: [encoding: string, body: Buffer][] = [
    ['gzip', gzipSync('{"a":1}')],
    ['gzip', gzipSync(Buffer.alloc(64 * 1024 * 1024 + 1))],
    ['gzip', gzipSync('{"a":1}').subarray(0, 20)],
    ['br', Buffer.from('x')],
  ];
  const asked: unknown[] = [];
  const client = await serve(t, (request, response) => {
    const [encoding = '', body] = answers.shift() ?? [];
    asked.push(request.headers['accept-encoding']);
    response.writeHead(200, { 'content-encoding': encoding }).end(body);
  });
  assert.equal((await client.manifest(ask)).text, '{"a":1}');
  await assert.rejects(client.manifest(ask), /the answer cannot be unpacked: .* larger than/);
  await assert.rejects(client.manifest(ask), /the answer cannot be unpacked: /);
  await assert.rejects(client.manifest(ask), /the answer cannot be unpacked: its content-encoding is br/);
  assert.deepEqual(asked, ['gzip', 'gzip', 'gzip', 'gzip']);
});

test('requests that follow each other share a connection; one that was closed meanwhile costs nothing', async (t) => {
  const ports: (number | undefined)[] = [];
  const client = await serve(t, (request, response) => {
    ports.push(request.socket.remotePort);
    if (ports.length === 2) request.socket.destroy();
    else response.writeHead(304).end();
  });
  for (let index = 0; index < 3; index += 1) await client.manifest({ ...ask, etag: '"1"' });
  const [first, again, anew, kept] = ports;
  assert.equal(ports.length, 4);
  assert.equal(first, again);
  assert.notEqual(again, anew);
  assert.equal(anew, kept);
});

test('a controller that takes connections and says nothing is left long before a held request would end', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const silent = createTcpServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const connected = once(silent, 'connection');
  const { port } = silent.address() as AddressInfo;
  const client = clientAt(new URL(`https://127.0.0.1:${port}`), enrolled, HOST);
  const asked = client.manifest({ ...ask, wait_ms: 60_000 });
  const refused = assert.rejects(asked, /no connection within 15 s/);
  await connected;
  t.mock.timers.tick(15_000);
  await refused;
  silent.close();
});

test('an answer that is here before the request is written leaves its connection to the next one', async (t) => {
  const ports: (number | undefined)[] = [];
  const client = await serve(t, (request, response) => {
    ports.push(request.socket.remotePort);
    response.writeHead(request.method === 'POST' ? 204 : 304).end();
  });
  const change = {
    kind: 'files',
    name: '/a',
    summary: 'x',
    diff: 'x'.repeat(32 * 1024 * 1024),
    hazard: 'none',
  } as const;
  await client.preview('p1', { host: HOST, revision: 'r', changes: [change], problems: [], more: 0 });
  await client.manifest({ ...ask, etag: '"1"' });
  assert.deepEqual(ports, [ports[0], ports[0]]);
});

test('a host that is not enrolled, or enrolled under another name, or by another controller is told what to do', async (t) => {
  const { clientOf } = await start(t, (_request, response) => response.writeHead(304).end());
  await assert.rejects(clientOf('/nowhere').manifest(ask), /not enrolled; run: holdfast-agent enroll/);
  await assert.rejects(
    clientOf(enrolled, 'web-2').manifest(ask),
    /enrolled as web-1, and its configuration says web-2/,
  );
  const other = await Authority.open({ stateDirectory: join(state, 'other-ca'), now_ms: Date.now });
  const elsewhere = await enrolledState('elsewhere', other, HOST);
  await assert.rejects(
    clientOf(elsewhere).manifest(ask),
    /not of the authority .* enrolled with .*: holdfast-agent enroll/,
  );
  await writeFile(join(elsewhere, 'identity.pem'), 'nonsense');
  await assert.rejects(clientOf(elsewhere).manifest(ask), /identity\.pem is damaged \(a part is missing\): enrol/);
});

test('a certificate that was renewed is used from the next request on', async (t) => {
  const shown: (string | undefined)[] = [];
  const { clientOf } = await start(t, (request, response) => {
    if (request.socket instanceof TLSSocket) shown.push(request.socket.getPeerX509Certificate()?.serialNumber);
    response.writeHead(304).end();
  });
  const folder = await enrolledState('renewed', authority, HOST);
  const client = clientOf(folder);
  await client.manifest({ ...ask, etag: '"1"' });
  const { key, csr } = keyFor(HOST);
  const { pem, serial } = await authority.issueHost(HOST, csr);
  await writeFile(join(folder, 'new.pem'), `${key}${pem}${authority.certificate}`);
  await rename(join(folder, 'new.pem'), join(folder, 'identity.pem'));
  await client.manifest({ ...ask, etag: '"1"' });
  assert.equal(shown.length, 2);
  assert.notEqual(shown[0], shown[1]);
  assert.equal(shown[1]?.toLowerCase(), serial);
});

test('a held request sends its ETag and how long it waits; 304 means unchanged', async (t) => {
  const client = await serve(t, (request, response) => {
    assert.equal(request.url, '/base/v1/hosts/web-1/manifest?wait=50');
    assert.equal(request.headers['if-none-match'], 'W/"1"');
    response.writeHead(304, { 'holdfast-revision': 'def' }).end();
  });
  const answer = await client.manifest({ ...ask, etag: 'W/"1"', wait_ms: 50_000 });
  assert.deepEqual(answer, { text: undefined, etag: 'W/"1"', revision: 'def' });
});

test('a newer revision that the controller does not serve is told with its reason', async (t) => {
  const headers = {
    'holdfast-revision': 'good',
    'holdfast-wanted-revision': 'bad',
    'holdfast-why-different': 'refused',
  };
  const client = await serve(t, (_request, response) => response.writeHead(304, headers).end());
  const { withheld } = await client.manifest({ ...ask, etag: 'W/"1"' });
  assert.deepEqual(withheld, { revision: 'bad', reason: 'refused' });
});

/** A controller's server in front of real bells, which holds nothing. */
async function startWithBells(t: TestContext, plain?: (socket: Socket) => void) {
  const waiters = new Waiters();
  const bells = new Bells({ waiters, mostHeld: 0 });
  const asked: IncomingMessage[] = [];
  const tls = { key: own.key, cert: own.pem, ca: authority.certificate, requestCert: true, rejectUnauthorized: false };
  const server = createServer(tls, (request, response) => {
    asked.push(request);
    bells.heard(HOST);
    const isOffered = /bell/.test(String(request.headers['holdfast-accepts']));
    const token = isOffered ? bells.offer(HOST)?.token : undefined;
    if (token !== undefined) response.writeHead(304, { 'holdfast-bell': token, connection: 'close' }).end();
    else if (request.method === 'POST') response.writeHead(204).end();
    else response.writeHead(200, { etag: '"2"' }).end('{}');
  });
  const atBell: Socket[] = [];
  const take = (socket: Socket): void => {
    atBell.push(socket);
    bells.take(socket);
  };
  makeHandshakesInTurns(server, { plain: plain ?? take });
  const open = new Set<TLSSocket>();
  server.on('secureConnection', (socket) => open.add(socket.once('close', () => open.delete(socket))));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    waiters.close();
    bells.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const problems: string[] = [];
  const controller = new URL(`https://127.0.0.1:${port}`);
  const client = clientAt(controller, enrolled, HOST, (message) => problems.push(message));
  return { client, waiters, asked, open, atBell, problems };
}

const REPORT = {
  host: HOST,
  agentVersion: '1',
  mode: 'enforce',
  facts: { addresses: [], fileSystems: [] },
  sentAt_ms: 0,
  past: [],
  pastDropped: 0,
} as unknown as Report;

test('at a bell there is no connection with TLS, not even after a report; when it rings, the manifest is asked for', async (t) => {
  const { client, waiters, asked, open } = await startWithBells(t);
  await client.report(REPORT);
  assert.equal(open.size, 1, 'kept for the next request');
  const answer = client.manifest({ ...ask, etag: '"1"', wait_ms: 50_000 });
  while (waiters.count === 0 || open.size > 0) await new Promise((resolve) => setImmediate(resolve));
  await client.report(REPORT);
  while (open.size > 0) await new Promise((resolve) => setImmediate(resolve));
  waiters.release([HOST]);
  assert.equal((await answer).text, '{}');
  const shown = asked.map(({ method, url, headers }) => [method, url, headers['holdfast-accepts']]);
  assert.deepEqual(shown, [
    ['POST', '/v1/hosts/web-1/reports', undefined],
    ['GET', '/v1/hosts/web-1/manifest?wait=50', 'preview, pause, bell'],
    ['POST', '/v1/hosts/web-1/reports', undefined],
    ['GET', '/v1/hosts/web-1/manifest', 'preview, pause'],
  ]);
  assert.equal(open.size, 1, 'kept for the report');
});

test('where bells lead elsewhere, requests are held, until bells are tried again', async (t) => {
  const { client, asked, problems } = await startWithBells(t, (socket) => socket.destroy());
  const accepts = () => asked.splice(0).map(({ headers }) => headers['holdfast-accepts']);
  assert.equal((await client.manifest({ ...ask, etag: '"1"', wait_ms: 50_000 })).text, '{}');
  assert.deepEqual(accepts(), ['preview, pause, bell', 'preview, pause']);
  assert.equal((await client.manifest({ ...ask, etag: '"1"', wait_ms: 50_000 })).text, '{}');
  assert.deepEqual(accepts(), ['preview, pause']);
  t.mock.method(performance, 'now', () => 1e9);
  await client.manifest({ ...ask, etag: '"1"', wait_ms: 50_000 });
  assert.deepEqual(accepts(), ['preview, pause, bell', 'preview, pause']);
  assert.equal(problems.length, 1, 'it is said once');
  assert.match(problems[0] ?? '', /cannot be waited for without TLS: .*; requests are held instead$/);
});

test('a manifest that comes is taken, whatever bell is offered with it', async (t) => {
  let asked = 0;
  const client = await serve(t, (_request, response) => {
    asked += 1;
    response.writeHead(200, { etag: '"2"', 'holdfast-bell': 'a'.repeat(22) }).end('{}');
  });
  assert.equal((await client.manifest({ ...ask, etag: '"1"', wait_ms: 50_000 })).etag, '"2"');
  assert.equal(asked, 1);
});

test('a controller that goes while an agent is at its bell is lost as by any other connection', async (t) => {
  const { client, waiters, atBell } = await startWithBells(t);
  const lost = assert.rejects(
    client.manifest({ ...ask, etag: '"1"', wait_ms: 50_000 }),
    (error) => error instanceof ControllerError && error.status === 0 && /news was waited for/.test(error.message),
  );
  // It has been told that it is taken.
  while (!atBell.some(({ bytesWritten }) => bytesWritten > 0)) await new Promise((resolve) => setImmediate(resolve));
  waiters.close();
  await lost;
});

test('a held request ends when the agent stops', async (t) => {
  const stop = new AbortController();
  const client = await serve(t, () => stop.abort());
  await assert.rejects(
    client.manifest({ etag: '"1"', wait_ms: 50_000, pauseKnown: 'none', signal: stop.signal }),
    ControllerError,
  );
});

const failures = [
  {
    name: 'a problem',
    status: 403,
    type: 'application/problem+json; charset=utf-8',
    body: '{"title":"no","detail":"it is\\nrevoked","code":"certificate-revoked"}',
    message: /answered 403: it is revoked$/,
  },
  { name: 'an unknown host', status: 404, body: '', message: /answered 404 \(it does not know this host/ },
  {
    name: "a proxy's page",
    status: 502,
    body: '<html>\n<h1>Bad Gateway</h1>',
    message: /answered 502: <html> <h1>Bad Gateway/,
  },
];
for (const { name, status, body, message, type = 'text/html' } of failures) {
  test(`${name} is an error that says what to do`, async (t) => {
    const client = await serve(t, (_request, response) =>
      response.writeHead(status, { 'content-type': type }).end(body),
    );
    await assert.rejects(client.manifest(ask), { name: 'ControllerError', message });
  });
}

test('an answer that breaks off in the middle is an error, and not half a manifest', async (t) => {
  const client = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"half":');
    setImmediate(() => response.destroy());
  });
  await assert.rejects(client.manifest(ask), ControllerError);
});

test('what the controller asks for with Retry-After is kept', async (t) => {
  const client = await serve(t, (_request, response) => response.writeHead(503, { 'retry-after': '7' }).end());
  await assert.rejects(client.manifest(ask), { retryAfter_ms: 7000, status: 503 });
});

test('nobody at the address is an error that names the address', async () => {
  const config = await loadConfig({ HOLDFAST_CONTROLLER: 'https://127.0.0.1:1', HOLDFAST_HOST: HOST });
  assert.ok(config.controller !== undefined);
  const client = createControllerClient({ ...config, controller: config.controller, stateDirectory: enrolled }, '1');
  await assert.rejects(client.manifest(ask), /https:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
});

test('the environment overrides the file; a wrong key or value is said with the file and what was expected', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-config-'));
  t.after(() => rm(folder, { recursive: true }));
  const yaml = join(folder, 'agent.yaml');
  await writeFile(yaml, 'controller: https://one.example\nhost: db-1\n');
  const config = await loadConfig({ HOLDFAST_CONFIG: yaml, HOLDFAST_HOST: 'db-2' });
  assert.equal(config.controller?.href, 'https://one.example/');
  assert.equal(config.host, 'db-2');
  const cases: [string, RegExp][] = [
    ['{"controler": "https://x"}', /agent\.json: controler: unknown key, expected one of controller, host/],
    ['{"controller": "ftp://x"}', /controller: expected a URL/],
    ['{"controller": "http://x"}', /controller: expected a URL such as "https:/],
    ['{"tokenFile": "/token"}', /tokenFile: unknown key/],
    ['{"controller": ', /agent\.json: .*JSON/],
    ['[]', /expected a map of keys/],
  ];
  for (const [text, message] of cases) {
    const json = join(folder, 'agent.json');
    await writeFile(json, text);
    await assert.rejects(loadConfig({ HOLDFAST_CONFIG: json }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, message);
      return true;
    });
  }
});

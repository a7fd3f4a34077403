import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ConfigError, loadConfig } from '../../../agent/daemon/config.ts';
import {
  type ControllerClient,
  ControllerError,
  createControllerClient,
} from '../../../agent/daemon/controller-client.ts';
import { HOST } from './support.ts';

/** A real HTTP server in the controller's place; the client is the real one. */
async function serve(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  more: { readonly tokenFile?: string } = {},
): Promise<ControllerClient> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const config = {
    host: HOST,
    tokenFile: more.tokenFile,
    caFile: undefined,
    statsd: 'off',
    stateDirectory: '/nowhere',
    runDirectory: '/nowhere',
  } as const;
  return createControllerClient({ ...config, controller: new URL(`http://127.0.0.1:${port}/base/`) }, '1.2.3');
}

const ask = { etag: undefined, wait_ms: 0, signal: new AbortController().signal };

test('a manifest comes with its ETag and revision; the request names the host, the version and the token', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-token-'));
  t.after(() => rm(folder, { recursive: true }));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, 'secret-token\n');
  let seen: IncomingMessage | undefined;
  const client = await serve(
    t,
    (request, response) => {
      seen = request;
      response.writeHead(200, { etag: 'W/"1"', 'holdfast-revision': 'abc' }).end('{"a":1}');
    },
    { tokenFile },
  );
  assert.deepEqual(await client.manifest(ask), { text: '{"a":1}', etag: 'W/"1"', revision: 'abc' });
  assert.equal(seen?.url, '/base/v1/hosts/web-1/manifest');
  assert.equal(seen?.headers.authorization, 'Bearer secret-token');
  assert.equal(seen?.headers['user-agent'], 'holdfast-agent/1.2.3');
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

test('a held request ends when the agent stops', async (t) => {
  const stop = new AbortController();
  const client = await serve(t, () => stop.abort());
  await assert.rejects(client.manifest({ etag: '"1"', wait_ms: 50_000, signal: stop.signal }), ControllerError);
});

const failures = [
  {
    name: 'a wrong token',
    status: 401,
    body: '{"title":"no"}',
    message: /answered 401 \(the token.*\): \{"title":"no"\}/,
  },
  { name: 'an unknown host', status: 404, body: '', message: /answered 404 \(it does not know this host/ },
  {
    name: "a proxy's page",
    status: 502,
    body: '<html>\n<h1>Bad Gateway</h1>',
    message: /answered 502: <html> <h1>Bad Gateway/,
  },
];
for (const { name, status, body, message } of failures) {
  test(`${name} is an error that says what to do`, async (t) => {
    const client = await serve(t, (_request, response) => response.writeHead(status).end(body));
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
  const config = await loadConfig({ HOLDFAST_CONTROLLER: 'http://127.0.0.1:1', HOLDFAST_HOST: HOST });
  assert.ok(config.controller !== undefined);
  const client = createControllerClient({ ...config, controller: config.controller }, '1');
  await assert.rejects(client.manifest(ask), /http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
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
    ['{"tokenFile": "token"}', /tokenFile: expected an absolute path/],
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

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, RequestListener } from 'node:http';
import { Agent, createServer, type RequestOptions, request } from 'node:https';
import { type AddressInfo, connect as connectPlain, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  HeldConnections,
  isOfferedHeld,
  type PutAway,
  putAway,
  wokenBy,
} from '../../../controller/held-connections.ts';
import { Authority } from '../../../controller/trust/authority.ts';
import { scratch } from '../../programs/controller/git.ts';

const OFFER = { connection: 'keep-alive, upgrade', upgrade: 'holdfast-held' };

async function start(context: TestContext, answer: RequestListener, mayRead?: (socket: Socket) => Promise<void>) {
  const authority = await Authority.open({ stateDirectory: await scratch(context), now_ms: Date.now });
  const { key, pem } = await authority.issueServer(['127.0.0.1']);
  const server = createServer({ key, cert: pem, shouldUpgradeCallback: isOfferedHeld }, answer);
  const held = new HeldConnections(server, mayRead);
  const sockets: Duplex[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  context.after(() => {
    agent.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const ask = async (options: RequestOptions = {}, body?: string) => {
    const outgoing = request({ host: '127.0.0.1', port, agent, ...options });
    outgoing.end(body);
    const [response]: IncomingMessage[] = await once(outgoing, 'response');
    assert.ok(response !== undefined);
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  };
  return { server, held, sockets, port, ask, agent };
}

function hasParser(socket: Duplex): boolean {
  return 'parser' in socket && socket.parser !== null;
}

/** Tells what came, and whether Node has a parser for it. */
const tell: RequestListener = (incoming, response) => {
  const what = { url: incoming.url, hasParser: hasParser(incoming.socket) };
  void text(incoming).then((body) => response.end(JSON.stringify({ ...what, body })));
};

test('a request that is offered as held is answered as any other, without a parser', async (context) => {
  const { ask, sockets } = await start(context, tell);
  const answer = await ask({ path: '/a?wait=60', headers: OFFER });
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(answer.body), { url: '/a?wait=60', hasParser: false, body: '' });
  assert.equal(answer.headers['keep-alive'], 'timeout=72');
  assert.equal(sockets.length, 1);
});

test('one connection serves held requests and others in any order, and keeps nothing of those before', async (context) => {
  const { ask, sockets, server } = await start(context, tell);
  const encrypted: Socket[] = [];
  server.on('secureConnection', (socket) => encrypted.push(socket));
  const counts: unknown[] = [];
  for (let round = 0; round < 20; round += 1) {
    assert.equal(JSON.parse((await ask({ path: `/${round}`, headers: OFFER })).body).url, `/${round}`);
    const posted = JSON.parse((await ask({ method: 'POST', path: '/report' }, `report ${round}`)).body);
    assert.deepEqual(posted, { url: '/report', hasParser: true, body: `report ${round}` });
    const [socket] = encrypted;
    counts.push(socket?.eventNames().map((name) => [name, socket.listenerCount(name)]));
  }
  assert.equal(sockets.length, 1, 'a new connection was opened');
  assert.deepEqual(counts.at(-1), counts.at(1));
});

test('what is no such offer is read as usual', async (context) => {
  const { ask } = await start(context, tell);
  const others: readonly [RequestOptions, body?: string][] = [
    [{ headers: { ...OFFER, upgrade: 'websocket' } }],
    [{ headers: { ...OFFER, connection: 'upgrade, close' } }],
    [{ headers: OFFER, method: 'POST' }, 'a body'],
    [{ headers: { ...OFFER, 'content-length': '6' }, method: 'GET' }, 'a body'],
    [{ headers: { ...OFFER, 'transfer-encoding': 'chunked' }, method: 'GET' }, 'a body'],
  ];
  for (const [options, body] of others) {
    const answer = JSON.parse((await ask(options, body)).body);
    assert.deepEqual(answer, { url: '/', hasParser: true, body: body ?? '' }, JSON.stringify(options));
  }
});

test('an answer that is to be the last ends the connection', async (context) => {
  const { ask, sockets } = await start(context, (_incoming, response) => {
    response.writeHead(200, { connection: 'close' }).end('bye');
  });
  const [answer] = await Promise.all([ask({ headers: OFFER }), ask({ headers: OFFER })]);
  assert.equal(answer.body, 'bye');
  assert.equal(sockets.length, 2);
});

test('requests that come before the answer to one, held or not, are answered after it', async (context) => {
  const waiting: (() => void)[] = [];
  const { port } = await start(context, (incoming, response) => {
    waiting.push(() => response.end(`answer to ${incoming.url}\n`));
  });
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  context.after(() => client.destroy());
  const plain = 'Host: x\r\n\r\n';
  const offer = 'Host: x\r\nConnection: upgrade\r\nUpgrade: holdfast-held\r\n\r\n';
  const path = (number: number): string => `GET /${number} HTTP/1.1\r\n`;
  client.write(path(1) + offer + path(2) + offer + path(3) + plain + path(4) + plain + path(5) + offer);
  while (waiting.length < 1) await new Promise(setImmediate);
  client.write(`${path(6)}Host: x\r\nConnection: close\r\n\r\n`);
  for (let next = 0; next < 6; next += 1) {
    while (waiting.length <= next) await new Promise(setImmediate);
    waiting[next]?.();
  }
  const all = await text(client);
  assert.deepEqual(
    all.match(/answer to \S+/g),
    [1, 2, 3, 4, 5, 6].map((number) => `answer to /${number}`),
  );
});

for (const [how, leave] of [
  ['ends its side', (client: Socket) => void client.end()],
  ['breaks off', (client: Socket) => void client.destroy()],
] as const) {
  test(`a client that ${how} while it is held is noticed`, async (context) => {
    const begun = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const { port } = await start(context, (_incoming, response) => {
      begun.resolve();
      response.once('close', gone.resolve);
    });
    const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: holdfast-held\r\n\r\n');
    await begun.promise;
    leave(client);
    await gone.promise;
  });
}

test('a client that breaks off before its request has its turn harms nobody, and is asked for no more', async (context) => {
  const begun: (string | undefined)[] = [];
  const { port, ask, server } = await start(context, (incoming, response) => {
    begun.push(incoming.url);
    if (incoming.url !== '/slow') response.end('ok');
  });
  const encrypted = once(server, 'secureConnection');
  const raw = connectPlain(port, '127.0.0.1');
  const client = connect({ socket: raw, rejectUnauthorized: false }).on('error', () => undefined);
  client.write(
    'GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /held HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: holdfast-held\r\n\r\n',
  );
  const [socket] = await encrypted;
  const upgraded = once(server, 'upgrade');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await upgraded;
  raw.resetAndDestroy();
  await closed;
  assert.equal((await ask({ path: '/other' })).body, 'ok');
  assert.deepEqual(begun, ['/slow', '/other']);
});

test('a request that follows one which Node itself refuses ends with its connection', async (context) => {
  const { port, ask } = await start(context, (_incoming, response) => response.end('ok'));
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  const offer = 'Host: x\r\nConnection: upgrade\r\nUpgrade: holdfast-held\r\n\r\n';
  client.write(`GET /no-host HTTP/1.1\r\n\r\nGET /held HTTP/1.1\r\n${offer}`);
  const all = await text(client);
  assert.match(all, /^HTTP\/1\.1 400 /);
  assert.doesNotMatch(all, /200/);
  assert.equal((await ask()).body, 'ok');
});

test('a client that ends its side without a request is let go', async (context) => {
  const { port, server } = await start(context, tell);
  const encrypted = once(server, 'secureConnection');
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: holdfast-held\r\n\r\n');
  const [socket] = await encrypted;
  const closed = once(socket, 'close');
  await once(client, 'data');
  client.end();
  await closed;
});

/** Puts requests away, and answers them when they come again. */
function away() {
  const held: PutAway[] = [];
  const requests: WeakRef<IncomingMessage>[] = [];
  const answer: RequestListener = (incoming, response) => {
    const wake = wokenBy(incoming);
    const one = wake === undefined ? putAway(incoming) : undefined;
    if (one !== undefined) {
      requests.push(new WeakRef(incoming));
      held.push(one);
      return;
    }
    const { method, url, headers, httpVersion } = incoming;
    response.end(JSON.stringify({ wake, method, url, headers, httpVersion }));
  };
  const isHeld = async (count: number): Promise<void> => {
    while (held.length < count) await new Promise(setImmediate);
  };
  return { held, requests, answer, isHeld };
}

test('a request that is put away comes again as it was, with why it does', async (context) => {
  const { held, answer, isHeld } = away();
  const { ask, sockets, server } = await start(context, answer);
  const encrypted: Socket[] = [];
  server.on('secureConnection', (socket) => encrypted.push(socket));
  const counts: unknown[] = [];
  for (let round = 1; round <= 5; round += 1) {
    const asked = ask({ path: `/a?wait=${round}`, headers: { ...OFFER, 'if-none-match': '"x"', 'x-two': 'a, "b"' } });
    await isHeld(round);
    held[round - 1]?.goOn('changed');
    const told = JSON.parse((await asked).body);
    assert.deepEqual(
      { ...told, headers: undefined },
      {
        wake: 'changed',
        method: 'GET',
        url: `/a?wait=${round}`,
        headers: undefined,
        httpVersion: '1.1',
      },
    );
    assert.equal(told.headers['if-none-match'], '"x"');
    assert.equal(told.headers['x-two'], 'a, "b"');
    // What was not offered comes between, on the same connection.
    assert.equal(JSON.parse((await ask({ path: '/plain' })).body).url, '/plain');
    const [socket] = encrypted;
    counts.push(socket?.eventNames().map((name) => [name, socket.listenerCount(name)]));
  }
  assert.equal(sockets.length, 1);
  assert.deepEqual(counts.at(-1), counts.at(1));
});

test('of a request that is put away no object stays', async (context) => {
  const { held, requests, answer, isHeld } = away();
  const { ask } = await start(context, answer);
  const asked = ask({ headers: OFFER });
  await isHeld(1);
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  while (requests[0]?.deref() !== undefined) {
    await new Promise(setImmediate);
    collect();
  }
  held[0]?.goOn('timeout');
  assert.equal(JSON.parse((await asked).body).wake, 'timeout');
});

test('a client that goes while its request is put away is noticed, and is asked for no more', async (context) => {
  const { held, answer, isHeld } = away();
  const { port, server } = await start(context, answer);
  let count = 0;
  server.on('request', () => (count += 1));
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: holdfast-held\r\n\r\n');
  await isHeld(1);
  const closed = new Promise<void>((resolve) => held[0]?.connection.once('close', resolve));
  client.destroy();
  await closed;
  held[0]?.goOn('changed');
  assert.equal(count, 1);
});

test('requests that come while one is put away are answered after it', async (context) => {
  const { held, answer, isHeld } = away();
  const { port } = await start(context, answer);
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  context.after(() => client.destroy());
  const offer = 'Host: x\r\nConnection: upgrade\r\nUpgrade: holdfast-held\r\n\r\n';
  client.write(`GET /1 HTTP/1.1\r\n${offer}`);
  await isHeld(1);
  client.write(`GET /2 HTTP/1.1\r\n${offer}GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  held[0]?.goOn('changed');
  await isHeld(2);
  held[1]?.goOn('timeout');
  const all = await text(client);
  assert.deepEqual(all.match(/"url":"[^"]*"/g), ['"url":"/1"', '"url":"/2"', '"url":"/3"']);
});

test('the next request is read when it may be; whoever goes meanwhile harms nobody', async (context) => {
  const waiting: PromiseWithResolvers<void>[] = [];
  const asked: (string | undefined)[] = [];
  const { ask, port, server } = await start(
    context,
    (incoming, response) => {
      asked.push(incoming.url);
      tell(incoming, response);
    },
    () => {
      const one = Promise.withResolvers<void>();
      waiting.push(one);
      return one.promise;
    },
  );
  const encrypted = once(server, 'secureConnection');
  await ask({ path: '/held', headers: OFFER });
  const [socket] = await encrypted;
  const report = ask({ method: 'POST', path: '/report' }, 'a report');
  while (waiting.length < 1) await new Promise(setImmediate);
  assert.equal(hasParser(socket), false);
  assert.deepEqual(asked, ['/held']);
  waiting[0]?.resolve();
  assert.deepEqual(JSON.parse((await report).body), { url: '/report', hasParser: true, body: 'a report' });
  const next = once(server, 'secureConnection');
  const raw = connectPlain(port, '127.0.0.1');
  const client = connect({ socket: raw, rejectUnauthorized: false }).on('error', () => undefined);
  client.write('GET /2 HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: holdfast-held\r\n\r\n');
  const [other] = await next;
  const closed = new Promise((resolve) => other.once('close', resolve));
  await once(client, 'data');
  client.write('GET /lost HTTP/1.1\r\nHost: x\r\n\r\n');
  while (waiting.length < 2) await new Promise(setImmediate);
  raw.resetAndDestroy();
  await closed;
  waiting[1]?.resolve();
  assert.equal((await ask({ path: '/held', headers: OFFER }, undefined)).status, 200);
  assert.deepEqual(asked, ['/held', '/report', '/2', '/held']);
});

test('connections without a request end with the server, and answers that are still to come are the last', async (context) => {
  const waiting: (() => void)[] = [];
  const { ask, server, held, agent } = await start(context, (incoming, response) => {
    if (incoming.url === '/held') waiting.push(() => response.end('late'));
    else response.end('ok');
  });
  agent.maxSockets = 2;
  const late = ask({ path: '/held', headers: OFFER });
  await ask({ headers: OFFER });
  while (waiting.length < 1) await new Promise(setImmediate);
  held.close();
  const closed = once(server.close(), 'close');
  waiting[0]?.();
  assert.equal((await late).body, 'late');
  await closed;
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type Server } from 'node:https';
import { type AddressInfo, connect, createServer as createPlainServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { text as allOf } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { makeHandshakesInTurns } from '../../../controller/handshakes.ts';
import { Authority } from '../../../controller/trust/authority.ts';
import { scratch } from '../../programs/controller/git.ts';

const USUAL = { atOnce: 4, turn_ms: 10_000, wait_ms: 30_000 };

interface Begun {
  readonly server: Server;
  readonly port: number;
  /** How many handshakes have begun. */
  begun: number;
}

type Options = NonNullable<Parameters<typeof makeHandshakesInTurns>[1]>;

async function start(
  context: TestContext,
  bounds: NonNullable<Options['bounds']>,
  plain?: NonNullable<Options['plain']>,
): Promise<Begun> {
  const authority = await Authority.open({ stateDirectory: await scratch(context), now_ms: Date.now });
  const { key, pem } = await authority.issueServer(['127.0.0.1']);
  const server = createServer({ key, cert: pem }, (_request, response) => response.end('ok'));
  const seen = { server, port: 0, begun: 0 };
  const open = new Set<Duplex>();
  server.on('connection', (socket) => {
    seen.begun += 1;
    open.add(socket);
  });
  makeHandshakesInTurns(server, { bounds, ...(plain && { plain }) });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  seen.port = (server.address() as AddressInfo).port;
  context.after(() => {
    server.closeAllConnections();
    for (const socket of open) socket.destroy();
    server.close();
  });
  return seen;
}

async function statusOf(port: number): Promise<number | undefined> {
  const request = get({ host: '127.0.0.1', port, rejectUnauthorized: false, agent: false });
  const [response] = await once(request, 'response');
  response.resume();
  return response.statusCode;
}

/** Connections that say no more than this, and what becomes of them. */
function callers(context: TestContext, port: number, count: number, text?: Buffer | string): readonly Socket[] {
  return Array.from({ length: count }, () => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    if (text !== undefined) socket.write(text);
    context.after(() => socket.destroy());
    return socket;
  });
}

/** What a TLS client says first. */
async function clientHello(context: TestContext): Promise<Buffer> {
  const server = createPlainServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const client = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }).on('error', () => undefined);
  const [socket] = await once(server, 'connection');
  const [hello] = await once(socket, 'data');
  client.destroy();
  socket.destroy();
  return hello;
}

async function untilBegun(seen: Begun, count: number): Promise<void> {
  while (seen.begun < count) await setImmediate();
}

function errorOf(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code)));
}

test('a crowd is served in turns, and everybody is', async (context) => {
  const seen = await start(context, USUAL);
  const statuses = await Promise.all(Array.from({ length: 60 }, () => statusOf(seen.port)));
  assert.deepEqual(new Set(statuses), new Set([200]));
  assert.equal(seen.begun, 60);
});

test('who says nothing takes no turn, and neither who speaks something else', async (context) => {
  const seen = await start(context, USUAL);
  callers(context, seen.port, 20);
  callers(context, seen.port, 20, 'GET / HTTP/1.1\r\n\r\n');
  assert.equal(await statusOf(seen.port), 200);
});

test('who stalls in the middle takes a turn and no more', async (context) => {
  const seen = await start(context, { ...USUAL, turn_ms: 20 });
  callers(context, seen.port, 20, await clientHello(context));
  assert.equal(await statusOf(seen.port), 200);
});

test('who goes away while it waits is forgotten', async (context) => {
  const seen = await start(context, { ...USUAL, atOnce: 1, turn_ms: 500 });
  const hello = await clientHello(context);
  callers(context, seen.port, 1, hello);
  const gone = callers(context, seen.port, 20, hello);
  await untilBegun(seen, 1);
  for (const socket of gone) socket.resetAndDestroy();
  assert.equal(await statusOf(seen.port), 200);
  assert.ok(seen.begun < 20, `${seen.begun} were begun`);
});

test('who has no turn in time is reset, and nothing was begun for it', async (context) => {
  const seen = await start(context, { atOnce: 2, turn_ms: 10_000, wait_ms: 100 });
  const hello = await clientHello(context);
  callers(context, seen.port, 2, hello);
  await untilBegun(seen, 2);
  const late = callers(context, seen.port, 4, hello);
  const errors = await Promise.all(late.map(errorOf));
  assert.deepEqual(new Set(errors), new Set(['ECONNRESET']));
  assert.equal(seen.begun, 2);
});

const SAID = 'something else';

test('what speaks no TLS goes elsewhere with all that it has said, and takes no turn', async (context) => {
  const plain: string[] = [];
  const seen = await start(context, { ...USUAL, atOnce: 1 }, (socket) => {
    let said = '';
    socket.on('data', (chunk) => {
      said += String(chunk);
      if (said.length < SAID.length) return;
      plain.push(said);
      socket.end('heard');
    });
  });
  const [stalls] = callers(context, seen.port, 1, await clientHello(context));
  await untilBegun(seen, 1);
  const speakers = callers(context, seen.port, 3, SAID);
  const answers = await Promise.all(speakers.map((socket) => allOf(socket)));
  assert.deepEqual(answers, ['heard', 'heard', 'heard']);
  assert.deepEqual(plain, [SAID, SAID, SAID]);
  assert.equal(seen.begun, 1);
  stalls?.destroy();
});

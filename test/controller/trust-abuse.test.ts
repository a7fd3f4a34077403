/** Tries to wear it out: a real controller as a process, real TLS. It stays up, and small. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as connectPlain, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { call, type EnrolledHost } from './call.ts';
import { type ControllerProcess, startController } from './controller-process.ts';

let controller: ControllerProcess;
let web: EnrolledHost;

before(async () => {
  controller = await startController({ args: ['--name', 'controller.example', '--name', '127.0.0.1'] });
  web = await controller.operator.enroll('web-1');
});

after(async () => {
  // Whatever was tried: it serves whom it may serve.
  assert.equal((await web.call({ path: 'manifest' })).status, 200);
  assert.equal((await controller.operator.call({ path: '/v1/status' })).status, 200);
  await controller.stop();
});

let strangers = 0;

/** Each from an address of its own: who fails often from one address is only told to wait. */
const stranger = () => {
  strangers += 1;
  return { ca: controller.operator.ca, localAddress: `127.2.${strangers >> 8}.${strangers & 0xff}` };
};

/** Anonymous unless told; resolves when the other side has ended it. */
function raw(way: object = {}): Promise<TLSSocket> {
  const { hostname, port } = new URL(controller.url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ...stranger(), ...way }, () => resolve(socket));
    socket.on('error', reject);
  });
}

/** Speaks no TLS. */
async function plain(): Promise<Socket> {
  const { hostname, port } = new URL(controller.url);
  const socket = connectPlain({ host: hostname, port: Number(port), localAddress: stranger().localAddress });
  await once(socket, 'connect');
  return socket;
}

function ended(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  return new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(text));
  });
}

async function memory_mb(): Promise<number> {
  const status = await readFile(`/proc/${controller.process.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

for (const { name, path, way, expected } of [
  { name: 'nobody', path: '/v1/hosts/web-1/reports', way: () => ({}), expected: /^HTTP\/1\.1 (401|413)/ },
  { name: 'nobody, to enrol', path: '/v1/enroll', way: () => ({}), expected: /^HTTP\/1\.1 (401|413)/ },
  { name: 'a host', path: '/v1/hosts/web-1/reports', way: () => web.way, expected: /^HTTP\/1\.1 413/ },
]) {
  for (const form of ['with its length', 'in chunks'] as const) {
    test(`1 GB from ${name}, ${form}, is cut off early and takes no memory`, async () => {
      const earlier = await memory_mb();
      const socket = await raw(way());
      const end = ended(socket);
      const length = form === 'in chunks' ? 'Transfer-Encoding: chunked' : `Content-Length: ${2 ** 30}`;
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: x\r\nHoldfast-Machine: ${web.machine}\r\nContent-Type: application/json\r\n${length}\r\n\r\n`,
      );
      const part = Buffer.alloc(65_536, 'a');
      const chunk = form === 'in chunks' ? Buffer.concat([Buffer.from('10000\r\n'), part, Buffer.from('\r\n')]) : part;
      let sent_bytes = 0;
      while (!socket.destroyed && sent_bytes < 2 ** 30) {
        if (!socket.write(chunk))
          await Promise.race([new Promise((done) => socket.once('drain', done)), end, delay(5000)]);
        sent_bytes += part.length;
      }
      const text = await end;
      // An answer may be lost where the connection was reset under it.
      if (text !== '') assert.match(text, expected);
      assert.ok(sent_bytes < 2 ** 30, `${sent_bytes} bytes were taken`);
      assert.ok((await memory_mb()) - earlier < 60, 'memory grew');
    });
  }
}

test('whoever sends a request slowly is shown out, and others are served meanwhile', async () => {
  const headers = await raw();
  const body = await raw();
  const quiet = await raw();
  const withoutTls = await plain();
  body.write('POST /v1/enroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{');
  const drip = setInterval(() => {
    if (!headers.destroyed) headers.write('X');
    if (!body.destroyed) body.write(' ');
    if (!withoutTls.destroyed) withoutTls.write('h');
  }, 500);
  headers.write('GET /v1/status HTTP/1.1\r\nX-');
  try {
    const begun = performance.now();
    const all = Promise.all([ended(headers), ended(body), ended(quiet), ended(withoutTls)]);
    assert.equal((await web.call({ path: 'manifest' })).status, 200);
    await Promise.race([all, delay(40_000).then(() => Promise.reject(new Error('still connected after 40 s')))]);
    assert.ok(performance.now() - begun > 5000, 'whoever is only slow is given some seconds');
  } finally {
    clearInterval(drip);
    for (const socket of [headers, body, quiet, withoutTls]) socket.destroy();
  }
});

test('who speaks no TLS is told nothing, whatever it says and however many there are', async () => {
  const said = [
    'GET /v1/hosts/web-1/manifest HTTP/1.1\r\nHost: x\r\n\r\n',
    `holdfast-bell/1 ${randomBytes(16).toString('base64url')}\n`,
    'holdfast-bell/1 ../../etc/passwd\n',
    randomBytes(1000),
  ];
  const earlier = await memory_mb();
  for (let round = 0; round < 50; round += 1) {
    const sockets = await Promise.all(said.map(() => plain()));
    const answers = Promise.all(sockets.map((socket) => ended(socket)));
    for (const [index, socket] of sockets.entries()) socket.write(said[index] ?? '');
    assert.deepEqual(new Set(await answers), new Set(['']));
  }
  const loud = await plain();
  const closed = ended(loud);
  loud.write(Buffer.alloc(64 * 1024 * 1024, 'x'));
  assert.equal(await closed, '');
  assert.ok((await memory_mb()) - earlier < 60, 'memory grew');
});

test('who fails again and again is told to wait; who has a good credential is not', async () => {
  const statuses: number[] = [];
  const from = stranger();
  for (let attempt = 0; attempt < 30; attempt += 1) {
    const authorization = `Bearer ${randomBytes(16).toString('hex')}`;
    const answer = await call(controller.url, from, { path: '/v1/status', headers: { authorization } });
    statuses.push(answer.status);
  }
  assert.equal(statuses.at(-1), 429);
  assert.equal((await controller.operator.call({ path: '/v1/status' })).status, 200);
  assert.equal((await web.call({ path: 'manifest' })).status, 200);
  assert.ok(controller.lines.filter(({ msg }) => msg === 'refused').length < 200, 'the log is not filled');
});

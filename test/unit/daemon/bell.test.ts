import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { BellNotTaken, waitAtBell } from '../../../agent/daemon/bell.ts';

/** Whatever is at the place of the controller; resolves with its URL. */
async function at(context: TestContext, answer: (socket: Socket) => void): Promise<URL> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket.on('error', () => undefined));
    answer(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  context.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/base`);
}

const signal = new AbortController().signal;
const isLost = (error: unknown): boolean => error instanceof Error && !(error instanceof BellNotTaken);

test('it says which bell it comes to, and waits until it rings, however the words come', async (context) => {
  for (const words of [['ok\nring\n'], ['ok\n', 'ring\n'], ['o', 'k', '\nri', 'ng\n']]) {
    let said = '';
    const controller = await at(context, (socket) => {
      const say = async (): Promise<void> => {
        for (const word of words) await new Promise((resolve) => socket.write(word, resolve));
      };
      socket.setNoDelay(true).on('data', (chunk) => {
        said += String(chunk);
        void say();
      });
    });
    await waitAtBell({ controller, token: 'abc', signal });
    assert.equal(said, 'holdfast-bell/1 abc\n');
  }
});

test('what is lost after it was taken is lost, and what was never taken is not tried again', async (context) => {
  const closesLater = await at(context, (socket) => socket.end('ok\n'));
  await assert.rejects(waitAtBell({ controller: closesLater, token: 'abc', signal }), isLost);
  const closes = await at(context, (socket) => socket.destroy());
  await assert.rejects(waitAtBell({ controller: closes, token: 'abc', signal }), BellNotTaken);
  const another = await at(context, (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await assert.rejects(waitAtBell({ controller: another, token: 'abc', signal }), BellNotTaken);
  const nobody = createServer();
  await once(nobody.listen(0, '127.0.0.1'), 'listening');
  const controller = new URL(`https://127.0.0.1:${(nobody.address() as AddressInfo).port}`);
  await new Promise((resolve) => nobody.close(resolve));
  await assert.rejects(waitAtBell({ controller, token: 'abc', signal }), /ECONNREFUSED/);
});

test('what is no answer of a controller ends it, before and after it was taken', async (context) => {
  const controller = await at(context, (socket) => socket.write('ok\nHTTP/1.1'));
  await assert.rejects(waitAtBell({ controller, token: 'abc', signal }), /none of a controller/);
});

test('who does not answer is not waited for, and a bell that never rings counts as heard', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const heard = Promise.withResolvers<void>();
  const silent = await at(context, (socket) => socket.on('data', () => heard.resolve()));
  const refused = assert.rejects(waitAtBell({ controller: silent, token: 'abc', signal }), BellNotTaken);
  await heard.promise;
  context.mock.timers.tick(15_000);
  await refused;
  const controller = await at(context, (socket) => socket.write('ok\n'));
  const rung = waitAtBell({ controller, token: 'abc', signal });
  const isOver = rung.then(() => true);
  const goesOn = new Promise<boolean>((resolve) => setImmediate(() => resolve(false)));
  // Slowly enough for the answer to be there.
  while (!(await Promise.race([isOver, goesOn]))) {
    context.mock.timers.tick(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await rung;
});

test('it ends with the agent, and leaves no connection', async (context) => {
  const left = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<void>();
  const controller = await at(context, (socket) => {
    socket.on('close', () => left.resolve());
    socket.write('ok\n', () => taken.resolve());
    socket.resume();
  });
  const stop = new AbortController();
  const waits = waitAtBell({ controller, token: 'abc', signal: stop.signal });
  await taken.promise;
  stop.abort(new Error('the agent ends'));
  await assert.rejects(waits, /the agent ends/);
  await left.promise;
  await assert.rejects(waitAtBell({ controller, token: 'abc', signal: stop.signal }), /the agent ends/);
});

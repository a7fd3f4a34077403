import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { BellNotTaken, waitAtBell } from '../../../agent/daemon/bell.ts';
import { Bells } from '../../../controller/bells.ts';
import { type Pending, Waiters } from '../../../controller/waiters.ts';

const never: Pending = { closed: false, once: () => undefined, off: () => undefined };

interface Served {
  readonly waiters: Waiters;
  readonly bells: Bells;
  readonly port: number;
  /** The token of a bell for the host. */
  readonly offer: (host: string) => string;
  /** Comes to a bell as the agent does; `text`: everything that is heard there. */
  readonly come: (token: string) => Promise<{ readonly socket: Socket; readonly text: Promise<string> }>;
  readonly wait: (token: string) => Promise<void>;
}

async function serve(context: TestContext, mostHeld = 0): Promise<Served> {
  const waiters = new Waiters();
  const bells = new Bells({ waiters, mostHeld });
  // As the server of the controller does.
  const server = createServer({ allowHalfOpen: true }, (socket) => bells.take(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  context.after(() => {
    waiters.close();
    bells.close();
    server.close();
  });
  return {
    waiters,
    bells,
    port,
    offer: (host) => bells.offer(host)?.token ?? assert.fail('no bell was offered'),
    come: async (token) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(`holdfast-bell/1 ${token}\n`));
      context.after(() => socket.destroy());
      await once(socket, 'readable');
      return { socket, text: text(socket) };
    },
    wait: (token) =>
      waitAtBell({
        controller: new URL(`https://127.0.0.1:${port}`),
        token,
        signal: new AbortController().signal,
      }),
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate();
}

test('so many are held, and who comes then is offered a bell', async (context) => {
  const { waiters, bells } = await serve(context, 2);
  assert.equal(bells.offer('a'), undefined);
  waiters.hold('a', 60, never, () => never);
  assert.equal(bells.offer('b'), undefined);
  waiters.hold('b', 60, never, () => never);
  assert.match(bells.offer('c')?.token ?? '', /^[\w-]{22}$/);
  assert.match(bells.offer('d')?.token ?? '', /^[\w-]{22}$/);
  assert.deepEqual([waiters.count, bells.count], [4, 2]);
  waiters.release(['a']);
  assert.equal(bells.offer('e'), undefined);
});

test('a bell rings when there is news for its host, and for no other', async (context) => {
  const { waiters, bells, offer, come, wait } = await serve(context);
  const other = await come(offer('other'));
  const rung = wait(offer('web-1'));
  await setImmediate();
  waiters.release(['web-1']);
  await rung;
  assert.deepEqual([waiters.count, bells.count], [1, 1]);
  waiters.close();
  assert.equal(await other.text, 'ok\n');
});

test('what has changed before the agent is there rings as soon as it comes', async (context) => {
  const { waiters, offer, come } = await serve(context);
  const token = offer('web-1');
  waiters.release(['web-1']);
  assert.equal(await (await come(token)).text, 'ok\nring\n');
});

test('a bell rings when its time is over', async (context) => {
  const { waiters, offer, come } = await serve(context);
  context.mock.timers.enable({ apis: ['setInterval'] });
  const { text: heard } = await come(offer('web-1'));
  context.mock.timers.tick(301_000);
  assert.equal(await heard, 'ok\nring\n');
  assert.equal(waiters.count, 0);
});

test('so many are rung, and the next ones as the hosts have asked', async (context) => {
  const { bells, waiters, offer, wait } = await serve(context);
  const hosts = Array.from({ length: 203 }, (_, index) => `host-${index}`);
  const heard: string[] = [];
  context.mock.timers.enable({ apis: ['setTimeout'] });
  for (const host of hosts) void wait(offer(host)).then(() => heard.push(host));
  let taken = 0;
  waiters.release(hosts);
  assert.equal(bells.count, 3);
  await until(() => heard.length === 200);
  for (const host of heard.slice(0, 3)) {
    bells.heard(host);
    taken += 1;
    assert.equal(bells.count, 3 - taken);
  }
  await until(() => heard.length === 203);
  assert.deepEqual(new Set(heard), new Set(hosts));
});

test('nobody waits any more for an agent that goes away', async (context) => {
  const { waiters, bells, offer, come } = await serve(context);
  const ended = await come(offer('ended'));
  const reset = await come(offer('reset'));
  assert.equal(waiters.count, 2);
  ended.socket.end();
  reset.socket.resetAndDestroy();
  reset.text.catch(() => undefined);
  await until(() => waiters.count === 0);
  assert.equal(bells.count, 0);
});

test('an agent that never comes to its bell is not waited for', async (context) => {
  const { waiters, bells, offer, wait } = await serve(context);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const token = offer('web-1');
  context.mock.timers.tick(15_000);
  assert.deepEqual([waiters.count, bells.count], [0, 0]);
  await assert.rejects(wait(token), BellNotTaken);
});

test('a bell is for one, and for no longer than it was offered', async (context) => {
  const { waiters, offer, come, wait } = await serve(context);
  const token = offer('web-1');
  const first = await come(token);
  await assert.rejects(wait(token), BellNotTaken);
  waiters.release(['web-1']);
  assert.equal(await first.text, 'ok\nring\n');
  await assert.rejects(wait(token), BellNotTaken);
});

test('who says anything else is closed, and told nothing', async (context) => {
  const { port, offer, waiters } = await serve(context);
  offer('web-1');
  for (const said of [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    `holdfast-bell/1 ${'A'.repeat(22)}\n`,
    'holdfast-bell/1 \n',
    '\n',
    'x'.repeat(64),
    'x'.repeat(1_000_000),
    '\0\xff',
  ]) {
    const socket = connect(port, '127.0.0.1', () => socket.end(said));
    const heard = text(socket).catch(({ code }: NodeJS.ErrnoException) => code);
    assert.ok(['', 'ECONNRESET', 'EPIPE'].includes((await heard) ?? ''), `${said.slice(0, 20)}: ${await heard}`);
  }
  assert.equal(waiters.count, 1);
});

test('who says nothing, or not all of it, is closed in time', async (context) => {
  const { port } = await serve(context);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const silent = connect(port, '127.0.0.1');
  const slow = connect(port, '127.0.0.1', () => slow.write('holdfast-bell'));
  const answers = Promise.all([text(silent), text(slow)]);
  await Promise.all([once(silent, 'connect'), once(slow, 'connect')]);
  const end = setInterval(() => context.mock.timers.tick(15_000), 1);
  assert.deepEqual(await answers, ['', '']);
  clearInterval(end);
});

test('who goes on talking at its bell is closed', async (context) => {
  const { waiters, offer, come } = await serve(context);
  const { socket, text: heard } = await come(offer('web-1'));
  socket.write('more');
  assert.equal(await heard, 'ok\n');
  await until(() => waiters.count === 0);
});

test('a controller that ends has bells closed and not rung: nobody is to come at once', async (context) => {
  const { waiters, bells, offer, come, wait, port } = await serve(context);
  const lost = assert.rejects(wait(offer('a')), (error) => !(error instanceof BellNotTaken));
  const { text: heard } = await come(offer('b'));
  await setImmediate();
  const stranger = connect(port, '127.0.0.1');
  await once(stranger, 'connect');
  const late = offer('late');
  waiters.close();
  bells.close();
  assert.equal(await heard, 'ok\n');
  assert.equal(await text(stranger), '');
  await lost;
  await assert.rejects(wait(late), BellNotTaken);
});

test('a bell that is taken away is lost for who is at it, or comes to it, and nobody is waited for', async (context) => {
  const { waiters, bells, come, wait } = await serve(context);
  const bell = bells.offer('a') ?? assert.fail('no bell was offered');
  const { text: heard } = await come(bell.token);
  bell.destroy();
  assert.equal(await heard, 'ok\n');
  const early = bells.offer('b') ?? assert.fail('no bell was offered');
  early.destroy();
  await assert.rejects(wait(early.token), BellNotTaken);
  assert.deepEqual([waiters.count, bells.count], [0, 0]);
});

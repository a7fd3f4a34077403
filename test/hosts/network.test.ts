import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { type Host, startHost } from './host.ts';

let db: Host;
let web: Host;
before(async () => {
  [db, web] = await Promise.all([startHost({ name: 'db' }), startHost({ name: 'web' })]);
});
after(() => Promise.all([db.dispose(), web.dispose()]));

async function reaches(from: Host, target: string): Promise<boolean> {
  return (await from.exec(['ping', '-c', '1', '-W', '1', target])).code === 0;
}

/** Whether a TCP connection from the machine is answered, be it by a refusal. */
function answersMachine(host: Host): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.address, port: 9, timeout: 1000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', (error) => end('code' in error && error.code === 'ECONNREFUSED'));
    socket.once('timeout', () => end(false));
  });
}

test('hosts of one network reach each other by address and by name, and the machine reaches them', async () => {
  assert.equal(await reaches(web, db.address), true);
  assert.equal(await reaches(web, 'db'), true);
  assert.equal(await answersMachine(web), true);
});

test('no host reaches beyond its network, and learns so at once', async () => {
  assert.equal(await reaches(web, '1.1.1.1'), false);
  // The resolver's own bound for a server that does not answer is 20 s.
  const lookup = await web.exec(['getent', 'hosts', 'www.example.org'], { timeout_ms: 10_000 });
  assert.equal(lookup.code, 2, 'no such name');
});

test('a host that is cut off keeps its address, reaches nobody and is not reached, until it is reconnected', async () => {
  await web.cutOff();
  assert.equal(await reaches(web, db.address), false);
  assert.equal(await reaches(db, web.address), false);
  assert.equal(await answersMachine(web), false);
  assert.match(await web.mustExec(['ip', '-4', '-brief', 'address', 'show', 'eth0']), new RegExp(web.address));
  await web.reconnect();
  assert.equal(await reaches(web, db.address), true);
  assert.equal(await answersMachine(web), true);
});

test("apt-get update finds the host's package lists to be the newest, and leaves them as they are", async () => {
  const lists = () => web.sh('cd /var/lib/apt/lists; sha256sum *InRelease *Packages*');
  const earlier = await lists();
  const output = await web.mustExec(['apt-get', 'update']);
  assert.equal(output.match(/^Hit:/gm)?.length, 3, output);
  assert.equal(await lists(), earlier);
});

test('apt-get installs real packages from the cache of a host that is cut off', async () => {
  await web.cutOff();
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await web.mustExec(['apt-get', '-y', '--no-install-recommends', 'install', 'nginx'], { env, timeout_ms: 600_000 });
  await web.reconnect();
  assert.equal((await web.mustExec(['systemctl', 'is-active', 'nginx'])).trim(), 'active');
  assert.match(await db.mustExec(['curl', '-sS', `http://${web.address}/`]), /Welcome to nginx/);
});

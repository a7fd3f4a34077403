import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, test } from 'node:test';
import { ensureImage } from './build-image.ts';
import { bringUp, type HostSet, hostOf, statusOf, takeDown } from './compose.ts';
import { docker } from './docker.ts';
import { startHost } from './host.ts';
import { captureStatsd } from './statsd.ts';

const set: HostSet = { project: `holdfast-test-${process.pid}`, subnet: `10.${randomInt(128, 192)}.${randomInt(256)}` };
const silent = () => {};

let upTook_ms: number;
before(async () => {
  await ensureImage('bookworm', silent);
  const start = performance.now();
  await bringUp(set, silent);
  upTook_ms = performance.now() - start;
});
after(() => takeDown(set, silent));

test('controller, db and web come up blank, at their addresses', async (t) => {
  t.diagnostic(`they came up in ${Math.round(upTook_ms)} ms`);
  assert.deepEqual(await statusOf(set), [
    { name: 'controller', address: `${set.subnet}.10`, state: 'running' },
    { name: 'db', address: `${set.subnet}.11`, state: 'running' },
    { name: 'web', address: `${set.subnet}.15`, state: 'running' },
  ]);
  const web = await hostOf(set, 'web');
  assert.equal((await web.mustExec(['uname', '--nodename'])).trim(), 'web');
  assert.equal((await web.exec(['which', 'python3'])).code, 1);
});

test('bringing up a set that is up leaves its hosts and what they run as they are', async () => {
  const web = await hostOf(set, 'web');
  const started = () => docker(['inspect', '--format', '{{.State.StartedAt}}', web.container]);
  const earlier = await started();
  await bringUp(set, silent);
  assert.equal((await hostOf(set, 'web')).container, web.container);
  assert.equal(await started(), earlier);
});

test('the capture records datagrams that hosts send, with the time, until it is told to forget', async () => {
  const web = await hostOf(set, 'web');
  const url = `http://${set.subnet}.20:8126/datagrams`;
  const sent_ms = Date.now();
  await web.sh(`printf 'holdfast.test:1|c|#env:test' >/dev/udp/${set.subnet}.20/8125`);
  const datagrams: unknown = JSON.parse(
    // The datagram is on its way: asked again until it is there.
    await web.sh(
      `for i in $(seq 50); do curl -sSf ${url} | tee /tmp/d | grep holdfast && exit; sleep 0.05; done; cat /tmp/d`,
    ),
  );
  assert.ok(Array.isArray(datagrams) && datagrams.length === 1);
  assert.equal(datagrams[0].text, 'holdfast.test:1|c|#env:test');
  assert.ok(datagrams[0].received_ms >= sent_ms);
  await web.sh(`curl -sSf -X DELETE ${url}`);
  assert.equal(await web.sh(`curl -sSf ${url}`), '[]');
});

test("a capture on a host's loopback takes what its agent sends by default", async () => {
  await using host = await startHost();
  const capture = await captureStatsd(host);
  await host.sh('printf local:1\\|g >/dev/udp/127.0.0.1/8125');
  let datagrams = await capture.datagrams();
  for (let tries = 0; datagrams.length === 0 && tries < 50; tries++) datagrams = await capture.datagrams();
  assert.deepEqual(
    datagrams.map((datagram) => datagram.text),
    ['local:1|g'],
  );
  await capture.clear();
  assert.deepEqual(await capture.datagrams(), []);
});

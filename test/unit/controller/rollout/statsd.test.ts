import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Rollout } from '../../../../controller/rollout/model.ts';
import { RolloutStatsd } from '../../../../controller/rollout/statsd.ts';

const rollout: Rollout = {
  id: 7,
  revision: 'a'.repeat(40),
  sequence: 1,
  state: 'paused',
  version: 1,
  started_ms: 0,
  updated_ms: 0,
  ended_ms: null,
  why: 'web-1 failed: “no space left”',
  startedBy: 'token:ann',
  cause: 'push',
  plan: { groups: [], order: [], unchanged: 0, accepted: [], ignoresFreeze: false, held: null },
};

test('a paused rollout arrives at DogStatsD as a gauge and an event', async (context) => {
  const server = createSocket('udp4');
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const lines: string[] = [];
  server.on('message', (datagram) => lines.push(...datagram.toString('utf8').split('\n')));
  const statsd = await RolloutStatsd.open({ host: '127.0.0.1', port: server.address().port, onError: assert.ifError });
  statsd.tell(rollout);
  await statsd.close();
  while (!lines.some((line) => line.startsWith('_e{'))) await once(server, 'message');
  assert.ok(lines.includes('holdfast.rollout.state:1|g|#state:paused'));
  assert.ok(lines.includes('holdfast.rollout.state:0|g|#state:running'));
  const event = lines.find((line) => line.startsWith('_e{')) ?? '';
  assert.match(event, /^_e\{35,29\}:rollout 7 of aaaaaaaaaaaa is paused\|web-1 failed: \?no space left\?\|/);
  assert.match(event, /\|t:error/);
});

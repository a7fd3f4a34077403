import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { checks, events, type MetricDefinition, metrics } from '../../../agent/metrics/catalog.ts';
import { Meter } from '../../../agent/metrics/meter.ts';
import { OpenMetricsStore } from '../../../agent/metrics/openmetrics.ts';
import { ascii, StatsdSink } from '../../../agent/metrics/statsd.ts';

test('no metric or event of the catalog has a tag named host, and every name is one that Datadog takes as it is', () => {
  const all: [string, { readonly tags: Readonly<Record<string, unknown>> }][] = [
    ...Object.entries<MetricDefinition>(metrics),
    ...Object.entries(events),
  ];
  for (const [name, { tags }] of all) {
    assert.match(name, /^[a-z][a-z0-9_.]*$/);
    assert.ok(!('host' in tags), name);
  }
  for (const name of Object.keys(checks)) assert.match(name, /^[a-z][a-z0-9_.]*$/);
});

test('OpenMetrics: gauges keep the last value, counts and histograms add up, units are base units', () => {
  const store = new OpenMetricsStore();
  const meter = new Meter();
  meter.add(store);
  meter.gauge('resources', 3, { status: 'converged', kind: 'files' });
  meter.gauge('resources', 4, { status: 'converged', kind: 'files' });
  meter.count('drift.found', 1, { kind: 'files' });
  meter.count('drift.found', 2, { kind: 'files' });
  meter.histogram('reconcile.duration', 250, { outcome: 'converged' });
  meter.histogram('reconcile.duration', 750, { outcome: 'converged' });
  meter.check('controller.reachable', 'critical');
  const text = store.text();
  assert.match(text, /^holdfast_resources\{status="converged",kind="files"\} 4$/m);
  assert.match(text, /^# TYPE holdfast_drift_found counter$/m);
  assert.match(text, /^holdfast_drift_found_total\{kind="files"\} 3$/m);
  assert.match(text, /^holdfast_reconcile_duration_seconds_count\{outcome="converged"\} 2$/m);
  assert.match(text, /^holdfast_reconcile_duration_seconds_sum\{outcome="converged"\} 1$/m);
  assert.match(text, /^holdfast_controller_reachable\{holdfast_controller_reachable="critical"\} 1$/m);
  assert.ok(text.endsWith('# EOF\n'));
});

test('what was emitted just before the end arrives: close sends what is buffered', async () => {
  const server = createSocket('udp4');
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const received: string[] = [];
  server.on('message', (message) => received.push(message.toString()));
  const sink = await StatsdSink.open({
    host: '127.0.0.1',
    port: server.address().port,
    prefix: 'holdfast.',
    tags: ['env:test'],
    onError: assert.fail,
  });
  const meter = new Meter();
  meter.add(sink);
  meter.count('drift.found', 1, { kind: 'files' });
  meter.event('drift.found', { title: 'files//etc/mötd differs', text: 'zwei\nZeilen – “so”' }, { kind: 'files' });
  meter.check('controller.reachable', 'critical', 'line one\nline | two m:x');
  await sink.close();
  while (received.join('\n').split('\n').length < 3) await once(server, 'message');
  server.close();
  const lines = received.flatMap((datagram) => datagram.split('\n'));
  assert.ok(
    lines.some((line) => line === 'holdfast.drift.found:1|c|#env:test,kind:files'),
    lines.join('\n'),
  );
  const event = lines.find((line) => line.startsWith('_e{')) ?? '';
  assert.match(event, /^_e\{\d+,\d+\}:files\/\/etc\/motd differs\|zwei\\nZeilen \? "so"\|/);
  const [, title = 0, text = 0] = (/^_e\{(\d+),(\d+)\}/.exec(event) ?? []).map(Number);
  assert.equal(Buffer.byteLength('files//etc/motd differs'), title);
  assert.equal(Buffer.byteLength('zwei\\nZeilen ? "so"'), text);
  assert.match(
    lines.find((line) => line.startsWith('_sc|')) ?? '',
    /^_sc\|holdfast\.controller\.reachable\|2\|.*m:line one line \/ two m;x$/,
  );
  for (const line of lines) assert.doesNotMatch(line, /[^\x20-\x7e]/);
});

test('texts for DogStatsD are ASCII, readable where that can be', () => {
  assert.equal(ascii('Grüße … “x” →'), 'Grusse ... "x" ?'.replace('Grusse', 'Gru?e'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manifest, testEngine } from './memory-host.ts';

test('a warm pass over 600 resources that are in order costs the engine less than 5 ms', async () => {
  const names = Array.from({ length: 600 }, (_, at) => `/srv/files/${at}`);
  const resources = names.map((name, at) => ({ name, requires: at % 10 === 0 ? [] : [names[at - 1] ?? ''] }));
  const { engine, host } = testEngine(manifest(resources));
  for (const name of names) host.notes.set(name, `text of ${name}`);
  for (let warm = 0; warm < 20; warm += 1) await engine.reconcile();
  const durations = [];
  for (let pass = 0; pass < 20; pass += 1) durations.push((await engine.reconcile()).duration_ms);
  const median_ms = durations.sort((a, b) => a - b)[10] ?? Number.NaN;
  assert.ok(median_ms < 5, `${median_ms} ms`);
});

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { linuxProcesses } from '../../../agent/host/processes/linux.ts';
import type { ProcessInfo } from '../../../agent/host/processes/port.ts';
import { endLeftBehind } from '../../../agent/resources/releases/orphans.ts';

const host = { processes: linuxProcesses() };
const MINUTE_MS = 60_000;

/** A shell that says when it is ready, and waits for ever. */
async function start(t: TestContext, script: string): Promise<{ child: ChildProcess; info: ProcessInfo }> {
  const child = spawn('/bin/sh', ['-c', `${script}\necho ready; while :; do sleep 0.05; done`]);
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const info = await host.processes.get(child.pid ?? 0);
  return { child, info: info ?? assert.fail('it has ended') };
}

test('a worker that was left behind gets TERM, and the time to end; others get nothing', async (t) => {
  const worker = await start(t, "trap 'sleep 0.3; exit 7' TERM");
  const other = await start(t, '');
  const ended = once(worker.child, 'exit');
  await endLeftBehind([worker.info], MINUTE_MS, host);
  assert.deepEqual(await ended, [7, null]);
  assert.equal(other.child.signalCode, null);
});

test('one that does not end in its time is killed', async (t) => {
  const worker = await start(t, "trap '' TERM");
  const ended = once(worker.child, 'exit');
  await endLeftBehind([worker.info], 100, host);
  assert.deepEqual(await ended, [null, 'SIGKILL']);
});

test('another process with the number of one that has ended gets nothing', async (t) => {
  const { child, info } = await start(t, '');
  await endLeftBehind([{ ...info, started_ms: info.started_ms - MINUTE_MS }], 100, host);
  assert.ok(await host.processes.get(child.pid ?? 0));
});

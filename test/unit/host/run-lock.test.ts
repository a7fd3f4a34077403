import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { Locked, takeRunLock } from '../../../agent/host/run-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-lock-'));
const path = join(folder, 'state/run.lock');
after(() => rmSync(folder, { recursive: true }));

/** Another process that holds the lock until it is killed. */
async function holder(): Promise<ChildProcessByStdio<null, Readable, null>> {
  const module = join(import.meta.dirname, '../../../agent/host/run-lock.ts');
  const script = `
    import { takeRunLock } from ${JSON.stringify(module)};
    globalThis.lock = await takeRunLock({ path: ${JSON.stringify(path)}, wait_ms: 5000 });
    console.log('held');
    setInterval(() => {}, 1000);`;
  const argv = ['--input-type=module', '--eval', script];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

test('the lock is free again after its release, and its file is for root alone', async () => {
  const lock = await takeRunLock({ path, wait_ms: 0 });
  await assert.rejects(takeRunLock({ path, wait_ms: 0 }), Locked);
  await lock.release();
  await (await takeRunLock({ path, wait_ms: 0 })).release();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('who waits in vain is told which process holds the lock', async () => {
  const child = await holder();
  try {
    await assert.rejects(takeRunLock({ path, wait_ms: 50 }), (error) => {
      assert.ok(error instanceof Locked);
      assert.match(
        error.message,
        new RegExp(`another run changes this host \\(process ${child.pid}\\); waited 0.05 s`),
      );
      return true;
    });
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

test('a holder that is killed frees the lock for one who waits, at once and with nothing to clean up', async () => {
  const child = await holder();
  const waiting = takeRunLock({ path, wait_ms: 10_000 });
  child.kill('SIGKILL');
  const lock = await waiting;
  await lock.release();
});

test('programs that the holder starts do not inherit the lock', async () => {
  const lock = await takeRunLock({ path, wait_ms: 0 });
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(child, 'spawn');
  try {
    await lock.release();
    await (await takeRunLock({ path, wait_ms: 0 })).release();
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

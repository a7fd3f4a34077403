import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { linuxProcesses, parseProcess } from '../../../agent/host/processes/linux.ts';

test('a process name with parentheses and spaces is parsed', () => {
  const info = parseProcess({
    pid: 7,
    stat: '7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 250 1000 10',
    status: 'Name:\tx\nUid:\t33\t33\t33\t33\n',
    commandLine: 'nginx: worker\0',
    boot_ms: 1_000,
  });
  assert.deepEqual(info, {
    pid: 7,
    parentPid: 1,
    name: 'a) b (c',
    argv: ['nginx: worker'],
    uid: 33,
    started_ms: 3_500,
    state: 'S',
  });
});

test('a running process is seen with its parent, environment and start, and can be signalled', async () => {
  const processes = linuxProcesses();
  const before = Date.now();
  const child = spawn('sleep', ['60'], { env: { PATH: '/usr/bin:/bin', MARK: 'here' } });
  await once(child, 'spawn');
  const info = await processes.get(child.pid ?? 0);
  assert.ok(info !== undefined);
  assert.equal(info.parentPid, process.pid);
  assert.ok(Math.abs(info.started_ms - before) < 2_000);
  assert.equal((await processes.environment(info.pid))?.['MARK'], 'here');
  assert.ok((await processes.children(process.pid)).some((candidate) => candidate.pid === info.pid));
  assert.equal(await processes.signal({ pid: info.pid, started_ms: info.started_ms - 60_000 }, 'SIGTERM'), false);
  const closed = once(child, 'close');
  assert.equal(await processes.signal(info, 'SIGTERM'), true);
  await closed;
  assert.equal(await processes.get(info.pid), undefined);
});

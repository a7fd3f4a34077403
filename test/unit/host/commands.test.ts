import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFailed, runCommand } from '../../../agent/host/commands/run.ts';
import { TailBuffer } from '../../../agent/host/commands/tail-buffer.ts';

test('a command gets its input, a minimal environment and no shell', async () => {
  const output = await runCommand({ argv: ['cat'], input: '$HOME; `id`' });
  assert.equal(output.stdout, '$HOME; `id`');
  const environment = await runCommand({ argv: ['env'], env: { EXTRA: 'yes' } });
  assert.deepEqual(environment.stdout.trim().split('\n').sort(), [
    'EXTRA=yes',
    'HOME=/root',
    'LANG=C.UTF-8',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  ]);
});

test('an unexpected exit code rejects with the end of the output', async () => {
  await assert.rejects(runCommand({ argv: ['ls', '/nowhere-at-all'] }), (error: unknown) => {
    assert.ok(error instanceof CommandFailed);
    assert.equal(error.output?.code, 2);
    assert.match(error.message, /ls \/nowhere-at-all: exit code 2\n.*No such file/);
    return true;
  });
  assert.equal((await runCommand({ argv: ['false'], okCodes: [0, 1] })).code, 1);
});

test('a command that passes its bound is killed with all it started', async () => {
  await assert.rejects(
    runCommand({ argv: ['timeout', '300', 'sleep', '299'], timeout_ms: 100 }),
    /did not end within 0.1 s/,
  );
});

test('a program that is not there is an error of its own', async () => {
  await assert.rejects(runCommand({ argv: ['no-such-program'] }), /no-such-program: spawn no-such-program ENOENT/);
});

test('output beyond its bound loses its middle', () => {
  const buffer = new TailBuffer(8);
  for (const chunk of ['abc', 'def', 'ghi', 'jkl', 'mno']) buffer.push(Buffer.from(chunk));
  assert.equal(buffer.text(), 'abcd\n… 7 bytes dropped …\nlmno');
});

test('a command runs as another user with the groups and home of that user', {
  skip: process.getuid?.() !== 0,
}, async () => {
  const output = await runCommand({ argv: ['id', '-un'], user: 'www-data' });
  assert.equal(output.stdout, 'www-data\n');
  assert.match((await runCommand({ argv: ['env'], user: 'www-data' })).stdout, /^HOME=\/var\/www$/m);
  await assert.rejects(runCommand({ argv: ['true'], user: 'nobody-here' }), /there is no user "nobody-here"/);
});

/** What install.sh says before it touches anything; test/e2e/install.test.ts has it install. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runProcess } from '../../hosts/process.ts';

const SCRIPT = join(import.meta.dirname, '../../../bootstrap/install.sh');
const install = (...args: readonly string[]) => runProcess(['sh', SCRIPT, ...args]);

test('--help names every option and exit code', async () => {
  const { code, stdout } = await install('--help');
  assert.equal(code, 0);
  for (const option of [
    '--controller',
    '--package',
    '--sha256',
    '--join-token-file',
    '--ca-file',
    '--dry-run',
    '--uninstall',
  ]) {
    assert.ok(stdout.includes(option), option);
  }
});

for (const [args, message] of [
  [[], /--controller is missing/],
  [['--controller', 'controller.example'], /--controller expects a URL/],
  [['--controller', 'http://controller.example'], /--controller expects a URL/],
  [['--controller', 'https://x'], /--package is missing/],
  [['--controler', 'https://x'], /there is no option --controler/],
  [['--controller'], /--controller expects a value/],
  [['--controller', 'https://x', '--package', '/p.deb', '--host', 'a b'], /--host expects/],
  [['--purge', '--controller', 'https://x'], /--purge goes with --uninstall/],
] as const) {
  test(`install.sh ${args.join(' ')}: wrong usage, exit code 2`, async () => {
    const { code, stderr } = await install(...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  });
}

test('a token file that is missing is told before anything is done', async () => {
  const { code, stderr } = await install(
    '--controller',
    'https://x',
    '--package',
    '/p.deb',
    '--join-token-file',
    '/no/token',
  );
  assert.equal(code, 1);
  assert.match(stderr, /\/no\/token is not there or empty/);
});

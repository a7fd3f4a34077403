import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { scratch } from '../git.ts';
import { cli, type Ended, LiveController } from './controller.ts';

const MAIN = join(import.meta.dirname, '../../../../controller/cli/main.ts');
const TOKEN = `hf_0123456789ab_${'x'.repeat(43)}`;

async function file(context: TestContext, text: string, mode = 0o600): Promise<string> {
  const path = join(await scratch(context), 'file');
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

function spawned(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

test('what keeps it from the controller is told with what to do, and the token never', async (context) => {
  const live = await LiveController.start(context);
  const token = await file(context, `${TOKEN}\n`);
  const other = await LiveController.start(context);
  const read = await live.run('token', 'create', 'ann', '--role', 'read');
  const reader = await file(context, read.out);
  const port = Number(new URL(live.url).port);
  const cases: readonly (readonly [args: readonly string[], message: RegExp, code?: number])[] = [
    [['hosts', '--token-file', token], /^holdfast: the controller does not know this token \(the token is in /],
    [['hosts', '--token-file', '/nowhere'], /there is no token in \/nowhere; run: holdfast login/],
    [['hosts', '--token-file', await file(context, TOKEN, 0o644)], /others may read the token in .*; run: chmod 600/],
    [['hosts', '--token-file', await file(context, 'hfj_secret')], /a join token, which is for machines/],
    [['hosts', '--token-file', await file(context, 'nonsense')], /no token of an operator; expected hf_/],
    [['hosts', '--ca-file', join(other.state, 'ca.crt')], /is not of the authority in .*run: holdfast login https/],
    [['hosts', '--ca-file', reader], /holds no certificate in PEM; run: holdfast login/],
    [['hosts', '--controller', 'https://127.0.0.1:1'], /nothing listens at https:\/\/127.0.0.1:1; .*systemctl status/],
    [['hosts', '--controller', `https://localhost.localdomain.invalid:${port}`], /cannot be resolved/],
    [['hosts', '--controller', live.url.replace('https', 'http')], /the controller's URL is https/, 2],
    [['rollout', 'abort', '--token-file', reader], /takes the role deploy, and the token "ann" has the role read/],
    [['audit', '--token-file', reader], /takes the role admin/],
    [['host', 'show', 'nobody'], /no file hosts\/nobody.yaml/],
    [['pause', 'web-1'], /--why is wanted/, 2],
    [['pause', 'web-1', '--why', 'x', '--for', '8d'], /at most 7d/],
    [['hosts', 'surplus'], /"surplus" was not expected/, 2],
    [['host', 'show'], /expected HOST/, 2],
    [['run'], /expected ID/, 2],
    [['runs', '--limit', '0'], /--limit expects a number from 1 to 500/, 2],
    [['hosts', '--nonsense'], /Unknown option '--nonsense'/, 2],
    [['token', 'revoke', TOKEN], /ID expects what "holdfast token list" shows/, 2],
    [['staus'], /there is no command "staus", did you mean "status"\?/, 2],
  ];
  for (const [args, message, code = 1] of cases) {
    const { code: got, out, err } = await live.run(...args);
    assert.match(err, message, args.join(' '));
    assert.deepEqual([got, out], [code, ''], args.join(' '));
    assert.doesNotMatch(err, /x{43}|secret/);
  }
  const nothing = await cli(['hosts'], { env: { HOME: await scratch(context) } });
  assert.deepEqual([nothing.code, nothing.out], [1, '']);
  assert.match(nothing.err, /which controller\? Run: holdfast login https/);
});

test('login keeps what fits together, and nothing where the authority is another', async (context) => {
  const live = await LiveController.start(context);
  const home = await scratch(context);
  const env = { HOME: home };
  const input = live.operator.token;
  const unpinned = await cli(['login', live.url], { env, input });
  assert.equal(unpinned.code, 1);
  const [, pin = ''] = /--pin ([0-9a-f]{64})$/m.exec(unpinned.err) ?? assert.fail(unpinned.err);
  const wrong = await cli(['login', live.url, '--pin', 'a'.repeat(64)], { env, input });
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /shows another authority than that of --pin/);
  const foreign = await cli(['login', live.url, '--pin', pin], { env, input: TOKEN });
  assert.match(foreign.err, /does not know this token/);
  await assert.rejects(stat(join(home, '.config/holdfast')));
  const { code, err, out } = await cli(['login', live.url, '--pin', pin], { env, input: `${input}\n` });
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /with 2 hosts is remembered/);
  assert.equal((await stat(join(home, '.config/holdfast'))).mode & 0o777, 0o700);
  assert.equal((await stat(join(home, '.config/holdfast/token'))).mode & 0o777, 0o600);
  assert.equal(JSON.parse(await readFile(join(home, '.config/holdfast/config.json'), 'utf8')).controller, live.url);
  const hosts = await cli(['hosts', '--names'], { env });
  assert.deepEqual([hosts.code, hosts.out], [0, 'db-1\nweb-1\n']);
  await writeFile(join(home, '.config/holdfast/config.json'), '{');
  assert.match((await cli(['hosts'], { env })).err, /config.json cannot be understood/);
});

test('the token goes to nobody whose certificate is not believed', async (context) => {
  const live = await LiveController.start(context);
  const other = await LiveController.start(context);
  const asked: (string | undefined)[] = [];
  const cert = await readFile(join(other.state, 'ca.crt'), 'utf8');
  const key = await readFile(join(other.state, 'ca.key'), 'utf8');
  const server = createServer({ cert, key }, (request, response) => {
    asked.push(request.headers.authorization);
    response.end('{}');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  context.after(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { code } = await live.run('hosts', '--controller', url);
  assert.equal(code, 1);
  await cli(['login', url, '--pin', 'a'.repeat(64)], { env: live.env, input: live.operator.token });
  assert.deepEqual(
    asked.filter((header) => header !== undefined),
    [],
  );
});

test('as a process: exit status 0, 1 and 2, no colours in a pipe, status --watch tells what changes', async (context) => {
  const live = await LiveController.start(context);
  const env = { ...live.env, PATH: process.env['PATH'] ?? '' };
  assert.equal((await spawned(['hosts'], env)).code, 0);
  const status = await spawned(['status'], env);
  assert.equal(status.code, 1);
  assert.ok(!status.out.includes('\u001b'));
  assert.equal((await spawned(['nonsense'], env)).code, 2);
  const child = spawn(process.execPath, [MAIN, 'status', '--watch'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(() => child.kill('SIGKILL'));
  let out = '';
  const { promise: changed, resolve } = Promise.withResolvers<void>();
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    if (/never-seen/.test(out) && /is refused/.test(out)) resolve();
  });
  await new Promise<void>((begun) => {
    child.stdout.once('data', () => begun());
  });
  await live.repository.commit({ 'roles/web.yaml': 'pakages: {}\n' });
  await live.run('refresh');
  await changed;
});

test('every command has a help, and each shell completes commands, options and hosts', async (context) => {
  const overview = await cli(['--help']);
  assert.equal(overview.code, 0);
  for (const line of overview.out.split('\n').filter((one) => one.startsWith('  '))) {
    const words = line.trim().split(/ {2,}/)[0]?.split(' ') ?? [];
    const name = words.filter((word) => /^[a-z]/.test(word));
    const help = await cli([...name, '--help']);
    assert.equal(help.code, 0, name.join(' '));
    assert.match(help.out, new RegExp(`^Usage: holdfast ${name.join(' ')}`));
  }
  const path = join(await scratch(context), 'holdfast.bash');
  const script = (await cli(['completion', 'bash'])).out;
  await writeFile(path, script.replaceAll('timeout 2 holdfast hosts --names', 'printf "web-1\\ndb-1\\n"'));
  const complete = (words: readonly string[]): Promise<readonly string[]> =>
    new Promise((resolve, reject) => {
      const shell =
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; printf "%s\\n" "${COMPREPLY[@]}"';
      execFile('bash', ['-c', shell, 'bash', path, 'holdfast', ...words], (error, out) =>
        error === null ? resolve(out.trim().split('\n')) : reject(error),
      );
    });
  assert.deepEqual(await complete(['sta']), ['status']);
  assert.deepEqual(await complete(['rollout', 'ab']), ['abort']);
  assert.deepEqual(await complete(['rollout', 'abort', '--r']), ['--rollback']);
  assert.deepEqual(await complete(['pause', 'w']), ['web-1']);
  assert.deepEqual(await complete(['secret', 'g']), ['get', 'generate']);
  for (const shell of ['zsh', 'fish']) {
    const { code, out } = await cli(['completion', shell]);
    assert.equal(code, 0);
    for (const word of ['rollback', 'certificates', 'holdfast hosts --names'])
      assert.ok(out.includes(word), `${shell}: ${word}`);
  }
  assert.equal((await cli(['completion', 'tcsh'])).code, 2);
});

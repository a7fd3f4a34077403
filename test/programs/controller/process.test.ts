import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { waitAtBell } from '../../../agent/daemon/bell.ts';
import { type CallAnswer, call, type EnrolledHost, Operator } from '../../controller/call.ts';
import { scratch, TestRepository } from './git.ts';

const root = join(import.meta.dirname, '../../..');
const CONTROLLER = join(root, 'controller/main.ts');
const OPERATOR = join(root, 'controller/cli/main.ts');

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(script: string, args: readonly string[], cwd = root): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { cwd }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

interface Running {
  readonly process: ChildProcess;
  readonly url: string;
  readonly lines: Record<string, unknown>[];
}

async function startProcess(context: TestContext, args: readonly string[]): Promise<Running> {
  const child = spawn(process.execPath, [CONTROLLER, '--listen', '127.0.0.1:0', '--poll', '1h', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(() => child.kill('SIGKILL'));
  const lines: Record<string, unknown>[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entry: Record<string, unknown> = JSON.parse(line);
      lines.push(entry);
      if (entry['msg'] === 'controller listens') resolve(String(entry['url']));
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code} before it listened`)));
  });
  return { process: child, url, lines };
}

interface Answer {
  readonly status: number;
  readonly etag: string;
  readonly revision: string;
}

async function manifest(
  host: EnrolledHost,
  options: { readonly wait?: number; readonly etag?: string } = {},
): Promise<Answer> {
  const { status, headers } = await host.call({
    path: `manifest${options.wait === undefined ? '' : `?wait=${options.wait}`}`,
    headers: options.etag === undefined ? {} : { 'if-none-match': options.etag },
  });
  return { status, etag: String(headers.etag), revision: String(headers['holdfast-revision']) };
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code));
  });
}

test('a push to a repository on this machine reaches a held request at once, and SIGTERM lets requests go', async (context) => {
  const repository = await TestRepository.create(context);
  const state = join(await scratch(context), 'state');
  const controller = await startProcess(context, ['--repository', repository.path, '--state-directory', state]);
  const host = await (await Operator.of(controller.url, state)).enroll('web-1');
  let first = await manifest(host);
  const end = performance.now() + 20_000;
  while (first.status === 503 && performance.now() < end) first = await manifest(host);
  assert.equal(first.status, 200);
  const held = manifest(host, { wait: 60, etag: first.etag });
  const revision = await repository.commit({ 'roles/web.yaml': 'services:\n  nginx: stopped\n' });
  const next = await held;
  assert.deepEqual([next.status, next.revision], [200, revision]);
  const last = manifest(host, { wait: 60, etag: next.etag });
  const health = await call(controller.url, { rejectUnauthorized: false }, { path: '/healthz' });
  assert.equal(health.status, 200);
  const end2 = ended(controller.process);
  controller.process.kill('SIGTERM');
  assert.equal((await last).status, 304);
  assert.equal(await end2, 0);
});

test('whoever comes when enough requests are held waits at a bell, and hears of a push there', async (context) => {
  const repository = await TestRepository.create(context);
  const state = join(await scratch(context), 'state');
  const args = ['--repository', repository.path, '--state-directory', state, '--held-requests', '1'];
  const controller = await startProcess(context, args);
  const operator = await Operator.of(controller.url, state);
  const host = await operator.enroll('web-1');
  await operator.call({ method: 'POST', path: '/v1/refresh' });
  const { etag } = await manifest(host);
  const ask = (accepts: string): Promise<CallAnswer> =>
    host.call({ path: 'manifest?wait=60', headers: { 'if-none-match': etag, 'holdfast-accepts': accepts } });
  const counts = async (): Promise<string> => {
    const { held: onTls, atBells } = (await operator.call({ path: '/v1/status' })).json();
    return `${String(onTls)} held, ${String(atBells)} at bells`;
  };
  const held = ask('preview, bell');
  while ((await counts()) !== '1 held, 0 at bells');
  const offered = await ask('preview, bell');
  assert.deepEqual([offered.status, offered.headers.connection], [304, 'close']);
  const heldAsWell = ask('preview');
  while ((await counts()) !== '2 held, 1 at bells');
  const { signal } = new AbortController();
  const token = String(offered.headers['holdfast-bell']);
  const rung = waitAtBell({ controller: new URL(controller.url), token, signal });
  const revision = await repository.commit({ 'roles/web.yaml': 'services:\n  nginx: stopped\n' });
  await rung;
  for (const { status, headers } of await Promise.all([held, heldAsWell, ask('bell')])) {
    assert.deepEqual([status, headers['holdfast-revision']], [200, revision]);
  }
});

test('a controller that is killed serves what it served as soon as it is back, without its repository', async (context) => {
  const repository = await TestRepository.create(context);
  const state = join(await scratch(context), 'state');
  const args = ['--repository', repository.path, '--state-directory', state];
  const before = await startProcess(context, args);
  const host = await (await Operator.of(before.url, state)).enroll('web-1');
  let served = await manifest(host);
  const end = performance.now() + 20_000;
  while (served.status !== 200 && performance.now() < end) served = await manifest(host);
  const gone = ended(before.process);
  before.process.kill('SIGKILL');
  await gone;
  await repository.git('branch', '--move', 'main', 'gone');
  const after = await startProcess(context, args);
  assert.deepEqual(await manifest(host.with({ url: after.url })), served);
});

test('wrong command lines exit with 2 and say what was expected', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--forge', 'github'], /--forge-token-file/],
    [['--repository', '/r', '--forge', 'github', '--forge-token-file', '/t'], /which project of the forge/],
    [['--repository', '/r', '--nonsense'], /Unknown option '--nonsense'/],
    [['--repository', '/r', '--name', '../x'], /--name expects a host name or an address/],
    [['--repository', '/r', '--listen', 'nowhere'], /expects ADDRESS:PORT/],
    [['--repository', '/r', '--ca-cert', '/c'], /go together/],
    [['--repository', '/r', '--poll', '5'], /--poll expects a duration/],
    [['--repository', '/r', '--held-requests', 'all'], /--held-requests expects a number/],
    [['--repository', '/r', '--branch', '--upload-pack=x'], /ambiguous|branch/],
    [['--repository', '/r', '--branch', 'a..b'], /expects the name of a branch/],
  ];
  for (const [args, message] of cases) {
    const { code, err } = await run(CONTROLLER, args);
    assert.equal(code, 2, args.join(' '));
    assert.match(err, message);
  }
  const { code, out } = await run(CONTROLLER, ['--help']);
  assert.equal(code, 0);
  assert.match(out, /--repository PATH\|URL/);
});

test('holdfast validate prints every issue, as text or JSON, and exits with 1; a good tree exits with 0', async (context) => {
  const repository = await TestRepository.create(context);
  const good = await run(OPERATOR, ['validate'], repository.path);
  assert.deepEqual([good.code, good.out, good.err], [0, '', '2 hosts, nothing to mend\n']);
  await mkdir(join(repository.path, 'desired-state/roles'), { recursive: true });
  await writeFile(join(repository.path, 'desired-state/roles/web.yaml'), 'services:\n  nginx: { stat: running }\n');
  const bad = await run(OPERATOR, ['validate', 'desired-state/'], repository.path);
  assert.equal(bad.code, 1);
  assert.equal(bad.out, 'desired-state/roles/web.yaml:2:12 unknown key "stat", did you mean "state"?\n');
  assert.equal(bad.err, '2 hosts, 1 issue\n');
  const json = await run(OPERATOR, ['validate', '--json'], repository.path);
  assert.equal(json.code, 1);
  const { valid, issues } = JSON.parse(json.out);
  assert.equal(valid, false);
  assert.deepEqual([issues[0].line, issues[0].column, issues[0].hosts], [2, 12, ['web-1']]);
  assert.equal((await run(OPERATOR, ['validate', 'nowhere'], repository.path)).code, 2);
  assert.equal((await run(OPERATOR, ['nonsense'], repository.path)).code, 2);
});

test('the desired state of this repository is valid', async () => {
  const { code, out } = await run(OPERATOR, ['validate', 'desired-state']);
  assert.equal(out, '');
  assert.equal(code, 0);
});

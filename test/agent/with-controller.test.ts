import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type { AgentStatus } from '../../agent/daemon/status.ts';
import { bundleAgent } from '../../bootstrap/bundle.ts';
import { Operator } from '../controller/call.ts';
import { poll } from './daemon-on-host.ts';

const run = promisify(execFile);
const CONTROLLER = join(import.meta.dirname, '../../controller/main.ts');
const STOP_BOUND_MS = 10_000;

/** The bundled agent and the real controller on this machine; the manifest has nothing but a folder of the test's own. */
for (const [where, heldRequests] of [
  ['over a held request', '1'],
  ['at a bell', '0'],
] as const) {
  test(`${where}: a push converges within moments, a broken one never arrives, and the agent outlives its controller`, (t) =>
    followsItsController(t, heldRequests));
}

async function followsItsController(t: TestContext, heldRequests: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-wire-'));
  const children: ChildProcess[] = [];
  t.after(async () => {
    for (const child of children) await stop(child);
    await rm(folder, { recursive: true, force: true });
  });
  const file = join(folder, 'kept', 'a');
  const repository = join(folder, 'repository');
  const push = await createRepository(repository);
  const declare = (content: string): Promise<void> =>
    push(
      `agent: { statusPort: ${statusPort} }\ndirectories: { ${join(folder, 'kept')}: {} }\nfiles: { ${file}: { content: "${content}" } }\n`,
    );
  const [port, statusPort] = [await freePort(), await freePort()];
  await declare('one');

  const start = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess => {
    const child = spawn(process.execPath, argv, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    children.push(child);
    return child;
  };
  const listen = `127.0.0.1:${port}`;
  const controllerState = join(folder, 'controller');
  const paths = ['--repository', repository, '--state-directory', controllerState];
  const options = [...paths, '--listen', listen, '--held-requests', heldRequests];
  const controller = start([CONTROLLER, ...options, '--log-level', 'error']);
  const url = `https://${listen}`;
  const operator = await poll(() => Operator.of(url, controllerState).catch(() => undefined));
  assert.ok(operator !== undefined, 'the controller does not start');
  const status = async (): Promise<string> =>
    (await operator.call({ path: '/v1/status' }).catch(() => undefined))?.body ?? '';
  assert.ok((await poll(async () => ((await status()) === '' ? undefined : true))) === true, 'it does not listen');
  const bundle = join(await bundleAgent(join(folder, 'bundle')), 'agent.mjs');
  const env = {
    HOLDFAST_STATE_DIRECTORY: join(folder, 'state'),
    HOLDFAST_RUN_DIRECTORY: join(folder, 'run'),
    HOLDFAST_HOST: 'web-1',
    HOLDFAST_STATSD: 'off',
    HOLDFAST_CONTROLLER: url,
  };
  start([bundle, 'daemon'], env);
  const tokenFile = join(folder, 'join-token');
  await writeFile(tokenFile, await operator.joinToken({ host: 'web-1' }));
  const enroll = [bundle, 'enroll', '--join-token-file', tokenFile];
  const asHost = { env: { ...process.env, ...env } };
  assert.match((await run(process.execPath, enroll, asHost)).stdout, /^enrolled as web-1;/);
  assert.match((await run(process.execPath, enroll, asHost)).stdout, /^enrolled as web-1 already/);
  const until = async (what: string, isSo: (seen: AgentStatus) => boolean): Promise<AgentStatus> => {
    let last = '';
    const found = await poll(async () => {
      // Exit code 1 only says that the host is not converged.
      last = await run(process.execPath, [bundle, 'status', '--json'], { env: { ...process.env, ...env } }).then(
        ({ stdout }) => stdout,
        (error: { readonly stdout?: string }) => error.stdout ?? '',
      );
      const seen: AgentStatus | undefined = last.startsWith('{') ? JSON.parse(last) : undefined;
      return seen !== undefined && isSo(seen) ? seen : undefined;
    });
    assert.ok(found !== undefined, `not in time: ${what}\n${last}`);
    return found;
  };
  const content = (): Promise<string> => readFile(file, 'utf8').catch(() => '');

  const first = await until(
    'converged',
    ({ verdict, controller: { state } }) => verdict === 'converged' && state === 'reachable',
  );
  assert.equal(await content(), 'one');
  assert.ok(first.certificate !== undefined && first.certificate.expires_ms > first.certificate.renewal_ms);

  const begun = performance.now();
  await declare('two');
  assert.ok((await poll(async () => ((await content()) === 'two' ? true : undefined))) === true);
  t.diagnostic(`from commit to converged: ${Math.round(performance.now() - begun)} ms`);
  const good = await until('the second revision', ({ verdict }) => verdict === 'converged');

  const seen = await poll(async () => {
    const text = await status();
    return text.includes(`"runningRevision":"${good.revision.running}"`) ? text : undefined;
  });
  assert.match(seen ?? '', /"state":"converged"/, 'the controller has the report');

  await push('fies: {}\n');
  const refused = await poll(async () => {
    const text = await status();
    return text.includes('"refused":true') ? text : undefined;
  });
  assert.ok(refused !== undefined, 'the controller says that it refused the push');
  const after = await until('still converged', ({ verdict }) => verdict === 'converged');
  assert.equal(after.revision.running, good.revision.running);

  await stop(controller);
  await until('away', ({ controller: { state } }) => state === 'away');
  await writeFile(file, 'by hand');
  assert.ok(
    (await poll(async () => ((await content()) === 'two' ? true : undefined))) === true,
    'healed without controller',
  );
}

/** Resolves to a function that commits a role and so publishes it. */
async function createRepository(path: string): Promise<(role: string) => Promise<void>> {
  const git = (...argv: readonly string[]): Promise<unknown> =>
    run('git', ['-C', path, '-c', 'user.name=test', '-c', 'user.email=test@localhost', ...argv]);
  for (const part of ['hosts', 'roles', 'environments']) {
    await mkdir(join(path, 'desired-state', part), { recursive: true });
  }
  await run('git', ['init', '--quiet', '--initial-branch=main', path]);
  await writeFile(join(path, 'desired-state/environments/test.yaml'), '{}\n');
  await writeFile(join(path, 'desired-state/hosts/web-1.yaml'), 'environment: test\nroles: [kept]\n');
  return async (role) => {
    await writeFile(join(path, 'desired-state/roles/kept.yaml'), role);
    await git('add', '--all');
    await git('commit', '--quiet', '--message', 'change');
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_BOUND_MS);
  await ended;
  clearTimeout(timer);
}

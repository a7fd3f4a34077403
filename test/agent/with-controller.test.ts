import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { AgentStatus } from '../../agent/daemon/status.ts';
import { bundleAgent } from '../../bootstrap/bundle.ts';
import { poll } from './daemon-on-host.ts';

const run = promisify(execFile);
const CONTROLLER = join(import.meta.dirname, '../../controller/main.ts');
const STOP_BOUND_MS = 10_000;

/** The bundled agent and the real controller on this machine; the manifest has nothing but a folder of the test's own. */
test('a push converges within moments, a broken one never arrives, and the agent outlives its controller', async (t) => {
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
  const options = ['--repository', repository, '--listen', listen, '--state-directory', join(folder, 'controller')];
  const controller = start([CONTROLLER, ...options, '--log-level', 'error']);
  const up = await poll(async () =>
    (await fetch(`http://${listen}/healthz`).catch(() => undefined))?.ok === true ? true : undefined,
  );
  assert.ok(up === true, 'the controller does not start');
  const bundle = join(await bundleAgent(join(folder, 'bundle')), 'agent.mjs');
  const env = {
    HOLDFAST_STATE_DIRECTORY: join(folder, 'state'),
    HOLDFAST_RUN_DIRECTORY: join(folder, 'run'),
    HOLDFAST_HOST: 'web-1',
    HOLDFAST_STATSD: 'off',
    HOLDFAST_CONTROLLER: `http://127.0.0.1:${port}`,
  };
  start([bundle, 'daemon'], env);
  const until = async (what: string, isSo: (status: AgentStatus) => boolean): Promise<AgentStatus> => {
    let last = '';
    const found = await poll(async () => {
      // Exit code 1 only says that the host is not converged.
      last = await run(process.execPath, [bundle, 'status', '--json'], { env: { ...process.env, ...env } }).then(
        ({ stdout }) => stdout,
        (error: { readonly stdout?: string }) => error.stdout ?? '',
      );
      const status: AgentStatus | undefined = last.startsWith('{') ? JSON.parse(last) : undefined;
      return status !== undefined && isSo(status) ? status : undefined;
    });
    assert.ok(found !== undefined, `not in time: ${what}\n${last}`);
    return found;
  };
  const content = (): Promise<string> => readFile(file, 'utf8').catch(() => '');

  await until('converged', ({ verdict, controller: { state } }) => verdict === 'converged' && state === 'reachable');
  assert.equal(await content(), 'one');

  const begun = performance.now();
  await declare('two');
  assert.ok((await poll(async () => ((await content()) === 'two' ? true : undefined))) === true);
  t.diagnostic(`from commit to converged: ${Math.round(performance.now() - begun)} ms`);
  const good = await until('the second revision', ({ verdict }) => verdict === 'converged');

  const seen = await poll(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/status`);
    const text = await answer.text();
    return text.includes(`"runningRevision":"${good.revision.running}"`) ? text : undefined;
  });
  assert.match(seen ?? '', /"state":"converged"/, 'the controller has the report');

  await push('fies: {}\n');
  const refused = await poll(async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/v1/status`)).text();
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
});

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

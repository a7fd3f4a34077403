/** The reference deployment on two real hosts, and a controller that is pushed to: its bundle, as a process of this machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleController } from '../../bootstrap/bundle.ts';
import { DaemonOnHost, poll } from '../../test/agent/daemon-on-host.ts';
import { Operator } from '../../test/controller/call.ts';
import { type Host, startHost } from '../../test/hosts/host.ts';
import { sharedNetwork } from '../../test/hosts/network.ts';
import { mustRun } from '../../test/hosts/process.ts';
import { MAKE_REPOSITORY, REPOSITORY, SECRETS } from '../deployment/host.ts';
import type { Progress } from '../settings.ts';
import { Pusher } from './pusher.ts';

const ROOT = join(import.meta.dirname, '../..');
const START_BOUND_MS = 30_000;

export interface PushSet {
  readonly web: Host;
  readonly db: Host;
  readonly pusher: Pusher;
  dispose(): Promise<void>;
}

/** Converged when it resolves. Dispose of it in the end. */
export async function startSet(progress: Progress): Promise<PushSet> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-push-'));
  const closers: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const dispose = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
  };
  try {
    progress('two hosts');
    const [db, web] = await Promise.all([startHost({ name: 'db-1' }), startHost({ name: 'web-1' })]);
    closers.push(() => Promise.all([db.dispose(), web.dispose()]));
    await web.copyIn(join(ROOT, 'examples/todomvc'), '/root/todomvc');
    await web.sh(MAKE_REPOSITORY, { timeout_ms: 120_000 });
    const operator = await startController(folder, closers);
    const tree = await makeTree(folder, { db, web });
    const pusher = new Pusher({ tree, operator, caFile: join(folder, 'state/ca.crt') });
    progress('the first push');
    await pusher.first();
    progress('agents enrol and converge');
    const daemons = await Promise.all([db, web].map((host) => enrolled(host, operator)));
    for (const daemon of daemons) await converged(daemon);
    return { web, db, pusher, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function startController(folder: string, closers: (() => Promise<unknown>)[]): Promise<Operator> {
  const program = join(folder, 'program');
  await bundleController(program);
  const secrets = join(folder, 'secrets.yaml');
  const lines = SECRETS.map((name) => `${name}: ${randomBytes(24).toString('base64url')}\n`);
  await writeFile(secrets, lines.join(''), { mode: 0o600 });
  const { gatewayAddress } = await sharedNetwork();
  const listen = `${gatewayAddress}:${await freePort(gatewayAddress)}`;
  const stateDirectory = join(folder, 'state');
  const args = ['--state-directory', stateDirectory, '--listen', listen, '--secrets', secrets, '--log-level', 'warn'];
  const child = spawn(process.execPath, [join(program, 'controller.mjs'), ...args], {
    stdio: ['ignore', process.stderr, 'inherit'],
  });
  closers.push(() => stop(child));
  const url = `https://${listen}`;
  const deadline = Date.now() + START_BOUND_MS;
  while (Date.now() < deadline) {
    const found = await poll(async () => {
      const one = await Operator.of(url, stateDirectory).catch(() => undefined);
      const answer = await one?.call({ path: '/v1/status' }).catch(() => undefined);
      return answer?.status === 200 ? one : undefined;
    });
    if (found !== undefined) return found;
  }
  throw new Error('the controller does not start');
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

async function freePort(address: string): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const bound = server.address();
  server.close();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

/** The desired state of this repository for our two hosts, with a file on both that the bench changes. */
async function makeTree(folder: string, { db, web }: { readonly db: Host; readonly web: Host }): Promise<string> {
  const tree = join(folder, 'tree');
  const state = join(tree, 'desired-state');
  await mkdir(tree);
  for (const name of ['environments', 'roles', 'templates', 'files']) {
    await cp(join(ROOT, 'desired-state', name), join(state, name), { recursive: true });
  }
  await mkdir(join(state, 'hosts'));
  const vars = `vars: { app_repository: "${REPOSITORY}" }\n`;
  const hostFile = (host: Host, role: string): Promise<void> =>
    writeFile(
      join(state, `hosts/${host.name}.yaml`),
      `environment: vagrant\nroles: [base, ${role}, bench]\naddress: ${host.address}\nnetwork: ${host.address}/32\n${vars}`,
    );
  await hostFile(db, 'db');
  await hostFile(web, 'web');
  await mustRun(['git', '-C', tree, 'init', '--quiet', '--initial-branch=main']);
  return tree;
}

async function enrolled(host: Host, operator: Operator): Promise<DaemonOnHost> {
  const daemon = await DaemonOnHost.install(host, { controller: operator.url });
  await host.writeFile('/root/join-token', await operator.joinToken({ host: host.name }), '0600');
  await host.mustExec(['holdfast-agent', 'enroll', '--join-token-file', '/root/join-token']);
  await daemon.start();
  return daemon;
}

/** A blank host takes minutes: apt, a virtualenv, a database. */
const CONVERGE_TRIES = 40;

async function converged(daemon: DaemonOnHost): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      await daemon.until('converged', ({ verdict }) => verdict === 'converged');
      return;
    } catch (error) {
      if (tried >= CONVERGE_TRIES) throw error;
    }
  }
}

/** A real controller as a process of this machine, over a real repository, for tests that attack it or enrol with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { mustRun } from '../hosts/process.ts';
import { Operator } from './call.ts';

const CONTROLLER = join(import.meta.dirname, '../../controller/main.ts');
const STOP_BOUND_MS = 10_000;

export interface ControllerProcess {
  readonly url: string;
  readonly folder: string;
  readonly stateDirectory: string;
  readonly operator: Operator;
  readonly process: ChildProcess;
  /** What it has logged. */
  readonly lines: readonly Record<string, unknown>[];
  stop(): Promise<void>;
}

/** Two hosts without resources, unless told. */
const FILES = {
  'environments/test.yaml': '{}\n',
  'roles/base.yaml': 'files: { /etc/kept-by-test: { content: "one" } }\n',
  'hosts/web-1.yaml': 'environment: test\nroles: [base]\n',
  'hosts/db-1.yaml': 'environment: test\nroles: [base]\n',
};

export async function startController(
  options: {
    readonly address?: string;
    readonly files?: Readonly<Record<string, string>>;
    readonly args?: readonly string[];
    /** It hosts the repository itself, and nothing has been pushed yet. */
    readonly hosted?: true;
    /** Of one that was stopped, to go on with. */
    readonly folder?: string;
  } = {},
): Promise<ControllerProcess> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'holdfast-controller-')));
  const repository = join(folder, 'repository');
  if (options.hosted === undefined) await commit(repository, options.files ?? FILES);
  const stateDirectory = join(folder, 'state');
  const followed = options.hosted === undefined ? ['--repository', repository] : [];
  const args = [...followed, '--state-directory', stateDirectory, '--poll', '1h'];
  const listen = ['--listen', `${options.address ?? '127.0.0.1'}:0`];
  const child = spawn(process.execPath, [CONTROLLER, ...args, ...listen, ...(options.args ?? [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: Record<string, unknown>[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const entry: Record<string, unknown> = JSON.parse(line);
    lines.push(entry);
    if (entry['msg'] === 'controller listens') resolve(String(entry['url']));
  });
  child.once('exit', (code) => reject(new Error(`the controller ended with ${code} before it listened`)));
  const url = await promise;
  const operator = await Operator.of(url, stateDirectory);
  // The first look at the repository begins when it listens.
  await operator.call({ method: 'POST', path: '/v1/refresh' });
  return {
    url,
    folder,
    stateDirectory,
    operator,
    process: child,
    lines,
    async stop() {
      const ended = new Promise((done) => child.once('exit', done));
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), STOP_BOUND_MS);
        await ended;
        clearTimeout(timer);
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function commit(repository: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(repository, 'desired-state', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  const git = (...args: readonly string[]): Promise<string> => mustRun(['git', '-C', repository, ...args]);
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  const author = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgSign=false'];
  await git(...author, 'commit', '--quiet', '--message', 'first');
}

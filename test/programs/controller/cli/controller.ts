import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { TestContext } from 'node:test';
import pino from 'pino';
import { dispatch } from '../../../../controller/cli/dispatch.ts';
import { painter } from '../../../../controller/cli/paint.ts';
import { startController } from '../../../../controller/controller.ts';
import { parseOptions } from '../../../../controller/options.ts';
import type { ReportedResource } from '../../../../desired-state/schema/report.ts';
import { type EnrolledHost, Operator } from '../../../controller/call.ts';
import { reportOf, until } from '../bench.ts';
import { WorkTree } from '../git/bench.ts';
import { scratch, TestRepository } from '../git.ts';

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly width?: number;
  readonly isTerminal?: boolean;
  readonly input?: string;
}

/** The command line in this process. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<Ended> {
  let out = '';
  let err = '';
  const { env = {}, width, isTerminal = false, input = '' } = options;
  const stdin = new PassThrough();
  stdin.end(input);
  const code = await dispatch(args, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    width,
    paint: painter(isTerminal, env),
    env,
    stdin,
    now_ms: () => Date.now(),
  });
  return { code, out, err };
}

/** A whole controller on loopback, by https, with what an operator of it has. */
export class LiveController {
  readonly url: string;
  readonly state: string;
  readonly repository: TestRepository;
  readonly operator: Operator;
  readonly env: NodeJS.ProcessEnv;

  private constructor(url: string, state: string, repository: TestRepository, operator: Operator) {
    this.url = url;
    this.state = state;
    this.repository = repository;
    this.operator = operator;
    this.env = {
      HOME: state,
      HOLDFAST_CONTROLLER: url,
      HOLDFAST_TOKEN_FILE: join(state, 'admin.token'),
      HOLDFAST_CA_FILE: join(state, 'ca.crt'),
    };
  }

  /** It follows the repository, or, with `hosting`, has one of its own, to which that has been pushed. */
  static async start(context: TestContext, way: 'following' | 'hosting' = 'following'): Promise<LiveController> {
    const repository = await TestRepository.create(context);
    const state = join(await scratch(context), 'state');
    const args = ['--listen', '127.0.0.1:0', '--poll', '1h', '--state-directory', state];
    const options = parseOptions(way === 'following' ? [...args, '--repository', repository.path] : args, {});
    if (options === 'help') throw new Error('asked for no help');
    const running = await startController(options, pino({ level: 'silent' }));
    context.after(() => running.stop());
    const live = new LiveController(running.url, state, repository, await Operator.of(running.url, state));
    if (way === 'hosting') await live.push();
    await until('served', async () => (await live.operator.call({ path: '/healthz' })).status === 200);
    return live;
  }

  run(...args: readonly string[]): Promise<Ended> {
    return cli(args, { env: this.env });
  }

  /** Pushes what the repository has to the one of the controller, as the first administrator; resolves with what git says. */
  async push(): Promise<string> {
    const token = await readFile(join(this.state, 'admin.token'), 'utf8');
    const header = `http.extraHeader=Authorization: Bearer ${token.trim()}`;
    const args = ['-c', header, 'push', `${this.url}/desired-state.git`, 'HEAD:main'];
    const work = new WorkTree(this.repository.path);
    return (await work.tryGit(args, { GIT_SSL_CAINFO: join(this.state, 'ca.crt') }).ended).text;
  }

  /** The agent of a host takes what it is served, and says how it went. */
  async report(host: EnrolledHost, resources: readonly ReportedResource[]): Promise<void> {
    const manifest = await host.call({ path: 'manifest' });
    const { revision, sequence } = manifest.json<{ revision: string; sequence: number }>();
    const run = { revision, sequence, dryRun: false, started_ms: Date.now(), duration_ms: 12, resources };
    // Beyond what the clock says: two reports of one moment would be a replay.
    const body = { ...reportOf(host.host), sentAt_ms: Date.now() + (sent += 1), runningRevision: revision, run };
    const answer = await host.call({ path: 'reports', body });
    if (answer.status !== 204) throw new Error(`${answer.status} ${answer.body}`);
  }
}

let sent = 0;

export const CONVERGED: ReportedResource = { kind: 'services', name: 'nginx', status: 'converged' };

export const REPAIRED: ReportedResource = {
  kind: 'files',
  name: '/etc/motd',
  status: 'changed',
  cause: 'corrective',
  changes: [{ summary: 'content', diff: '-by hand\n+by git\n', hazard: 'none', outcome: 'applied' }],
};

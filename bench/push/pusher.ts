import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Operator } from '../../test/controller/call.ts';
import { mustRun } from '../../test/hosts/process.ts';

export interface PusherOptions {
  readonly tree: string;
  readonly operator: Operator;
  readonly caFile: string;
}

/** What the pusher's terminal showed, and when; from `git push`. */
export interface Pushed {
  /** Until the push was accepted: compiled, and both hosts asked what it would do. */
  readonly accepted_ms: number;
  /** From there until the last host had converged. */
  readonly converged_ms: number;
  /** From there until git had ended. */
  readonly ended_ms: number;
}

const BOUND_MS = 120_000;
const MARK = '# set by bench/push: ';

/** Edits the tree and pushes it, as a person does: by git, over TLS, with a token. */
export class Pusher {
  readonly #options: PusherOptions;

  constructor(options: PusherOptions) {
    this.#options = options;
  }

  /** Nobody is there yet: does not wait for the hosts. */
  async first(): Promise<void> {
    await this.#write('0');
    await this.#push({ untilAccepted: true });
  }

  /** A change of the nginx site of the web host and of a file on both. */
  async change(value: string): Promise<Pushed> {
    await this.#write(value);
    return this.#push({ untilAccepted: false });
  }

  async #write(value: string): Promise<void> {
    const state = join(this.#options.tree, 'desired-state');
    await writeFile(join(state, 'roles/bench.yaml'), `files:\n  /etc/holdfast-bench: { content: "${value}\\n" }\n`);
    const site = join(state, 'templates/nginx/todo.conf.mustache');
    const text = await readFile(site, 'utf8');
    const rest = text.startsWith(MARK) ? text.slice(text.indexOf('\n') + 1) : text;
    await writeFile(site, `${MARK}${value}\n${rest}`);
    const git = (...args: readonly string[]): Promise<string> => mustRun(['git', '-C', this.#options.tree, ...args]);
    const author = ['-c', 'user.name=bench', '-c', 'user.email=bench@localhost', '-c', 'commit.gpgSign=false'];
    await git('add', '--all');
    await git(...author, 'commit', '--quiet', '--message', value);
  }

  async #push({ untilAccepted }: { readonly untilAccepted: boolean }): Promise<Pushed> {
    const { tree, operator, caFile } = this.#options;
    const began = performance.now();
    const child = spawn('git', ['push', `${operator.url}/desired-state.git`, 'HEAD:main'], {
      cwd: tree,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: BOUND_MS,
      env: {
        PATH: process.env['PATH'],
        HOME: tree,
        GIT_SSL_CAINFO: caFile,
        GIT_TERMINAL_PROMPT: '0',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'http.extraHeader',
        GIT_CONFIG_VALUE_0: `Authorization: Bearer ${operator.token}`,
      },
    });
    let text = '';
    let accepted: number | undefined;
    let done: number | undefined;
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (chunk: string) => {
      text += chunk;
      if (accepted === undefined && /^remote: accepted;/m.test(text)) {
        accepted = performance.now();
        if (untilAccepted) setTimeout(() => child.kill('SIGINT'), 1000);
      }
      if (done === undefined && /^remote: done: 2 hosts/m.test(text)) done = performance.now();
    });
    child.stdout.resume();
    await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const ended = performance.now();
    if (accepted === undefined) throw new Error(`the push was not accepted:\n${text}`);
    if (untilAccepted) return { accepted_ms: accepted - began, converged_ms: 0, ended_ms: ended - accepted };
    if (done === undefined) throw new Error(`not all hosts have converged:\n${text}`);
    return { accepted_ms: accepted - began, converged_ms: done - accepted, ended_ms: ended - accepted };
  }
}

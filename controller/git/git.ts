import { spawn } from 'node:child_process';
import { signalGroup } from './process-group.ts';

export interface GitRun {
  /** The bare repository. */
  readonly directory: string;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly input?: string | Buffer;
  readonly bound_ms?: number;
  /** More output than this is an error. */
  readonly most_bytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Git ended with another status than 0, or was ended at a bound. The message is its own, in one line. */
export class GitFailed extends Error {
  override readonly name = 'GitFailed';
  /** Null where it was ended by a signal. */
  readonly status: number | null;

  constructor(message: string, status: number | null) {
    super(message);
    this.status = status;
  }
}

const BOUND_MS = 60_000;
const MOST_BYTES = 320 * 1024 * 1024;
const MOST_COMPLAINT_BYTES = 16 * 1024;

/** Names of the environment that git may see; none of them makes it run another program or read another repository. */
const INHERITED = /^(?:PATH|HOME|USER|LOGNAME|TZ|SSL_CERT_(?:FILE|DIR)|GIT_SSL_CAINFO|(?:https?|no|all)_proxy)$/i;

/** A clean environment: no configuration of the machine or its users, no prompts, no replaced objects, English messages. */
export function gitEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const inherited = Object.entries(process.env).flatMap(([name, value]) =>
    INHERITED.test(name) && value ? [[name, value]] : [],
  );
  return {
    ...Object.fromEntries(inherited),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_ATTR_NOSYSTEM: '1',
    LC_ALL: 'C',
    // The controller's own repositories, whoever it runs as.
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'safe.directory',
    GIT_CONFIG_VALUE_0: '*',
    ...more,
  };
}

/** What git printed. Throws `GitFailed`. */
export function git(args: readonly string[], run: GitRun): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const bound_ms = run.bound_ms ?? BOUND_MS;
  const child = spawn('git', ['--git-dir', run.directory, ...args], {
    cwd: run.directory,
    env: gitEnvironment(run.environment),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const output: Buffer[] = [];
  let size_bytes = 0;
  let complaint = '';
  let stopped: string | undefined;
  const stop = (why: string): void => {
    stopped ??= why;
    signalGroup(child.pid, 'SIGKILL');
  };
  const timer = setTimeout(() => stop(`took longer than ${Math.round(bound_ms / 1000)} s`), bound_ms);
  const abort = (): void => stop('was not waited for any longer');
  run.signal?.addEventListener('abort', abort, { once: true });
  if (run.signal?.aborted === true) abort();
  child.stdout.on('data', (chunk: Buffer) => {
    size_bytes += chunk.length;
    if (size_bytes > (run.most_bytes ?? MOST_BYTES)) stop('printed more than is taken');
    else output.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < MOST_COMPLAINT_BYTES) complaint += chunk.toString('utf8');
  });
  // A git that ends without reading its input closes the pipe; its status says whether that is an error.
  child.stdin.on('error', () => {});
  child.stdin.end(run.input);
  child.once('error', (error) => finish(() => reject(new GitFailed(`git cannot be started: ${error.message}`, null))));
  child.once('close', (status) => {
    finish(() => {
      const what = `git ${args[0] ?? ''}`;
      if (stopped !== undefined) reject(new GitFailed(`${what} ${stopped}`, null));
      else if (status === 0) resolve(Buffer.concat(output));
      else reject(new GitFailed(complaintOf(complaint) ?? `${what} ended with status ${status ?? 'unknown'}`, status));
    });
  });
  const finish = (settle: () => void): void => {
    clearTimeout(timer);
    run.signal?.removeEventListener('abort', abort);
    settle();
  };
  return promise;
}

/** The same as text without the white space around it. */
export async function gitText(args: readonly string[], run: GitRun): Promise<string> {
  return (await git(args, run)).toString('utf8').trim();
}

function complaintOf(text: string): string | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const line = lines.find((one) => /^(?:fatal|error):/.test(one)) ?? lines[0];
  return line?.replace(/^(?:fatal|error): /, '');
}

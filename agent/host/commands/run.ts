import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Command, Output } from './port.ts';
import { TailBuffer } from './tail-buffer.ts';

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_OUTPUT_BYTES = 1_048_576;
/** Between SIGTERM and SIGKILL after a bound has passed. */
const GRACE_MS = 5_000;
/** How much of a failed program's output an error message carries. */
const EXCERPT_CHARACTERS = 2_000;

const BASE_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/root',
};

/** A program could not be started, was killed, passed its bound, or ended with a code that was not expected. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly argv: readonly string[];
  readonly output: Output | undefined;

  constructor(argv: readonly string[], reason: string, output?: Output) {
    super(`${argv.join(' ')}: ${reason}${output === undefined ? '' : excerpt(output)}`);
    this.argv = argv;
    this.output = output;
  }
}

function excerpt(output: Output): string {
  const text = (output.stderr.trim() === '' ? output.stdout : output.stderr).trim();
  return text === '' ? '' : `\n${text.slice(-EXCERPT_CHARACTERS)}`;
}

/**
 * Starts a program in a process group of its own and waits for it, with a bound. Standard input is closed or is `input`;
 * the environment is minimal, so that nothing of the agent's own leaks into what it starts.
 */
export async function runCommand(command: Command): Promise<Output> {
  const identity = command.user === undefined ? undefined : findIdentity(command.user);
  const [file, ...args] = identity === undefined ? command.argv : asIdentity(identity, command.argv);
  const timeout_ms = command.timeout_ms ?? DEFAULT_TIMEOUT_MS;
  const max_bytes = command.maxOutput_bytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  const { promise, resolve, reject } = Promise.withResolvers<Output>();

  const child = spawn(file, args, {
    cwd: command.cwd ?? '/',
    env: { ...BASE_ENVIRONMENT, ...(identity && { HOME: identity.home }), ...command.env },
    stdio: [command.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const stdout = new TailBuffer(max_bytes);
  const stderr = new TailBuffer(max_bytes);
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program that ends without reading its input closes the pipe; its exit code says whether that is an error.
  child.stdin?.on('error', () => {});
  child.stdin?.end(command.input);

  let expired = false;
  let killer: NodeJS.Timeout | undefined;
  const timer = setTimeout(() => {
    expired = true;
    signalGroup(child.pid, 'SIGTERM');
    killer = setTimeout(() => {
      signalGroup(child.pid, 'SIGKILL');
      // A descendant in another session may still hold the pipes; the call ends all the same.
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, GRACE_MS);
  }, timeout_ms);

  child.on('error', (error) => {
    clearTimeout(timer);
    clearTimeout(killer);
    reject(new CommandFailed(command.argv, error.message));
  });
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    clearTimeout(killer);
    const output: Output = { code: code ?? -1, stdout: stdout.text(), stderr: stderr.text() };
    if (expired) reject(new CommandFailed(command.argv, `did not end within ${timeout_ms / 1000} s`, output));
    else if (signal !== null) reject(new CommandFailed(command.argv, `was killed by ${signal}`, output));
    else if (!(command.okCodes ?? [0]).includes(output.code)) {
      reject(new CommandFailed(command.argv, `exit code ${output.code}`, output));
    } else resolve(output);
  });
  return promise;
}

interface Identity {
  readonly uid: string;
  readonly gid: string;
  readonly home: string;
}

function findIdentity(user: string): Identity {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${user}:`));
  const [, , uid, gid, , home] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined || home === undefined)
    throw new Error(`there is no user "${user}" on this host`);
  return { uid, gid, home };
}

function asIdentity({ uid, gid }: Identity, argv: readonly string[]): readonly [string, ...string[]] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--', ...argv];
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended between the bound and the signal: what was wanted.
  }
}

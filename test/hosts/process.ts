/** Runs programs of the machine that the tests run on: an argument vector, a bound, and the whole output. */
import { spawn } from 'node:child_process';

export interface ProcessResult {
  /** Exit status; 128 + the signal's number is not used: a signal rejects. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessOptions {
  /** Sent to stdin, which is closed after it; empty by default. */
  readonly input?: string | Uint8Array;
  /** After this the program is killed and the promise rejects. */
  readonly timeout_ms?: number;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Called with every piece of stderr and stdout, for progress. */
  readonly onOutput?: (text: string) => void;
}

const DEFAULT_TIMEOUT_MS = 60_000;

/** Runs a program to its end. Rejects where it cannot start, is ended by a signal, or outlives its bound. */
export function runProcess(argv: readonly string[], options: ProcessOptions = {}): Promise<ProcessResult> {
  const [program, ...rest] = argv;
  if (program === undefined) throw new TypeError('runProcess: empty argument vector');
  const timeout_ms = options.timeout_ms ?? DEFAULT_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeout_ms);
    child.stdout.on('data', (chunk: Buffer) => {
      stdout.push(chunk);
      options.onOutput?.(chunk.toString());
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr.push(chunk);
      options.onOutput?.(chunk.toString());
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`cannot run ${program}: ${error.message}`, { cause: error }));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const result = { stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
      if (timedOut) reject(new Error(`${commandLine(argv)} did not end within ${timeout_ms} ms\n${tail(result)}`));
      else if (code === null) reject(new Error(`${commandLine(argv)} was ended by ${signal}\n${tail(result)}`));
      else resolve({ code, ...result });
    });
    // A program that ends before it has read its input is no error of ours: its exit status tells.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

/** As `runProcess`, but an exit status other than 0 rejects with the end of the output. Resolves to stdout. */
export async function mustRun(argv: readonly string[], options: ProcessOptions = {}): Promise<string> {
  const result = await runProcess(argv, options);
  if (result.code !== 0) throw new Error(`${commandLine(argv)} ended with status ${result.code}\n${tail(result)}`);
  return result.stdout;
}

export function commandLine(argv: readonly string[]): string {
  const line = argv.join(' ');
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

function tail(output: { stdout: string; stderr: string }): string {
  return `${output.stdout.slice(-2000)}${output.stderr.slice(-4000)}`.trim();
}

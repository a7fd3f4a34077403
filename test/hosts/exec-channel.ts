/**
 * Runs commands on a host through one `docker exec` that stays: one for each costs a tenth of a second of processor time,
 * more than most commands. They have its environment, folder, user, capabilities and control group. Input and output are
 * files in the host's /dev/shm, which this machine reaches through /proc; no snapshot looks there.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { docker } from './docker.ts';
import { commandLine, type ProcessResult } from './process.ts';

const SERVER = readFileSync(join(import.meta.dirname, 'exec-server.pl'), 'utf8');
const FOLDER = '/dev/shm';
const READY_TIMEOUT_MS = 30_000;
/** As `docker exec` has it where the container ends under it: 128 + SIGKILL. */
const KILLED = 137;

export class ExecChannel {
  readonly #child: ChildProcess;
  /** Of the host, as this machine reaches it. */
  readonly #folder: string;
  readonly #waiting = new Map<number, (code: number) => void>();
  #last = 0;
  #isOpen = true;

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    child.once('close', () => this.#end());
    child.once('error', () => this.#end());
    // A command that is sent to a host that is going is told as killed.
    child.stdin?.on('error', () => {});
  }

  /** Rejects where the container does not run, or its files cannot be reached. */
  static async open(container: string): Promise<ExecChannel> {
    const pid = await docker(['inspect', '--format', '{{.State.Pid}}', container]);
    if (pid === '0') throw new Error(`the container ${container} does not run`);
    const folder = await mkdtemp(`/proc/${pid}/root${FOLDER}/channel-`);
    const server = ['perl', '-e', SERVER, join(FOLDER, basename(folder))];
    const child = spawn('docker', ['exec', '--interactive', container, ...server], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const channel = new ExecChannel(child, folder);
    const lines = createInterface(child.stdout);
    const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
    await Promise.race([once(lines, 'line', { signal }), once(lines, 'close', { signal }).then(notReady)]);
    lines.on('line', (line) => channel.#hear(line));
    // What waits for a command has a timer of its own; nothing else of the channel keeps the tests' process alive.
    child.unref();
    for (const stream of [child.stdin, child.stdout]) if (stream instanceof Socket) stream.unref();
    return channel;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  async run(
    argv: readonly string[],
    { input, timeout_ms }: { input?: string | Uint8Array; timeout_ms: number },
  ): Promise<ProcessResult> {
    this.#last += 1;
    const number = this.#last;
    const file = (name: 'in' | 'out' | 'err') => join(this.#folder, `${number}.${name}`);
    try {
      await writeFile(file('in'), input ?? '');
      const code = await this.#send(number, argv, timeout_ms);
      if (!this.#isOpen) return { code, stdout: '', stderr: '' };
      const [stdout, stderr] = await Promise.all([readFile(file('out'), 'utf8'), readFile(file('err'), 'utf8')]);
      return { code, stdout, stderr };
    } catch (error) {
      // The files go with the host.
      if (!this.#isOpen) return { code: KILLED, stdout: '', stderr: '' };
      throw error;
    } finally {
      await Promise.all((['in', 'out', 'err'] as const).map((name) => rm(file(name), { force: true }))).catch(() => {});
    }
  }

  close(): void {
    this.#child.stdin?.end();
    this.#end();
  }

  #send(number: number, argv: readonly string[], timeout_ms: number): Promise<number> {
    if (!this.#isOpen) return Promise.resolve(KILLED);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const timer = setTimeout(() => {
      this.#waiting.delete(number);
      reject(new Error(`${commandLine(argv)} did not end within ${timeout_ms} ms`));
    }, timeout_ms);
    this.#waiting.set(number, (code) => {
      clearTimeout(timer);
      this.#waiting.delete(number);
      resolve(code);
    });
    const words = argv.map((word) => Buffer.from(word).toString('hex'));
    this.#child.stdin?.write(`${[number, ...words].join(' ')}\n`);
    return promise;
  }

  #hear(line: string): void {
    const [number, code] = line.split(' ').map(Number);
    this.#waiting.get(number ?? 0)?.(code ?? KILLED);
  }

  #end(): void {
    this.#isOpen = false;
    for (const tell of this.#waiting.values()) tell(KILLED);
  }
}

function notReady(): never {
  throw new Error('the server of the channel has ended before it was ready');
}

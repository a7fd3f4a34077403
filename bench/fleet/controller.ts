/** A controller as its user starts it: the bundle that is installed, as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const UNIT = join(import.meta.dirname, '../../bootstrap/systemd/holdfast-controller.service');
const START_BOUND_MS = 120_000;
const STOP_BOUND_MS = 15_000;
const TICKS_PER_S = 100;

export interface ControllerOptions {
  /** Of the bundle. */
  readonly program: string;
  readonly stateDirectory: string;
  readonly port: number;
  readonly args: readonly string[];
  readonly log: (line: string) => void;
}

/** What the installed service tells Node and the C library about memory. */
function settings(): { readonly options: readonly string[]; readonly environment: Readonly<Record<string, string>> } {
  const unit = readFileSync(UNIT, 'utf8');
  const options = /^ExecStart=\S+((?: --\S+)+) \S+\.mjs /m.exec(unit)?.[1];
  if (options === undefined) throw new Error(`${UNIT} starts the controller otherwise than is expected here`);
  const environment = Object.fromEntries(
    [...unit.matchAll(/^Environment=(\w+)=(\S+)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
  return { options: options.trim().split(' '), environment };
}

export class BenchController {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /** Resolves once it listens. */
  static async start({ program, stateDirectory, port, args, log }: ControllerOptions): Promise<BenchController> {
    const listen = ['--listen', `127.0.0.1:${port}`, '--name', '127.0.0.1', '--state-directory', stateDirectory];
    const { options, environment } = settings();
    const child = spawn(process.execPath, [...options, join(program, 'controller.mjs'), ...listen, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const end = (): void => void child.kill('SIGKILL');
    process.once('exit', end);
    child.once('exit', () => process.off('exit', end));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entry: Record<string, unknown> = JSON.parse(line);
      if (Number(entry['level']) > 30) log(line.slice(0, 500));
      if (entry['msg'] === 'controller listens') resolve(String(entry['url']));
    });
    child.once('exit', (code) => reject(new Error(`the controller ended with ${code} before it listened`)));
    const timer = setTimeout(() => reject(new Error('the controller does not listen')), START_BOUND_MS);
    try {
      return new BenchController(await promise, child);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  get #proc(): string {
    return `/proc/${this.#child.pid}`;
  }

  get peak_mb(): number {
    const kb = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`${this.#proc}/status`, 'utf8'))?.[1];
    return Number(kb) / 1024;
  }

  get rss_mb(): number {
    const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`${this.#proc}/status`, 'utf8'))?.[1];
    return Number(kb) / 1024;
  }

  /** Of all of its threads, in user and kernel mode. */
  get cpu_s(): number {
    const stat = readFileSync(`${this.#proc}/stat`, 'utf8');
    const [, , , , , , , , , , , user, system] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(user) + Number(system)) / TICKS_PER_S;
  }

  get descriptors(): number {
    return readdirSync(`${this.#proc}/fd`).length;
  }

  /** As the kernel kills what uses too much memory. */
  async kill(): Promise<void> {
    const ended = this.#ended();
    this.#child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = this.#ended();
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_BOUND_MS);
    await ended;
    clearTimeout(timer);
  }

  #ended(): Promise<unknown> {
    return new Promise((resolve) => {
      this.#child.once('exit', resolve);
    });
  }
}

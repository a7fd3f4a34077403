/** Many simulated agents in processes of their own. */
import { type ChildProcess, fork } from 'node:child_process';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../settings.ts';
import type { Order, Told } from './messages.ts';
import { type Seen, sumOf } from './tally.ts';

/** Each agent has two connections at most, and a process 20,000 files by common limits. */
const AGENTS_PER_PROCESS = 5000;
/** Hosts have processors of their own; here they take what the controller leaves. */
const AGENTS_NICE = 10;
const LOOK_EVERY_MS = 100;
const TELL_EVERY_MS = 10_000;

export interface Member {
  readonly host: string;
  readonly controller: string;
  readonly address: string;
}

export class Fleet implements Disposable {
  readonly #members: readonly Member[];
  readonly #folder: string;
  readonly #progress: Progress;
  readonly #processes: { readonly child: ChildProcess; seen: Seen | undefined }[] = [];
  #broken: Error | undefined;
  #revision = '';
  #controller = '';

  constructor(members: readonly Member[], folder: string, progress: Progress) {
    this.#progress = progress;
    this.#members = members;
    this.#folder = folder;
    const count = Math.ceil(members.length / AGENTS_PER_PROCESS);
    for (let index = 0; index < count; index += 1) {
      const child = fork(join(import.meta.dirname, 'agents-process.ts'), {
        execArgv: ['--max-old-space-size=6144'],
        stdio: ['ignore', process.stderr, 'inherit', 'ipc'],
      });
      if (child.pid !== undefined) setPriority(child.pid, AGENTS_NICE);
      const entry: { readonly child: ChildProcess; seen: Seen | undefined } = { child, seen: undefined };
      child.on('message', (told: Told) => {
        entry.seen = told;
      });
      child.on('exit', (code, signal) => {
        this.#broken ??= new Error(`a process of agents ended by itself: ${code ?? signal}`);
      });
      this.#processes.push(entry);
    }
  }

  start(within_ms: number): void {
    const count = this.#processes.length;
    for (const [index, { child }] of this.#processes.entries()) {
      // In turns, so that each process has agents of each controller.
      const agents = this.#members.filter((_, at) => Math.floor(at / 2) % count === index);
      child.send({ type: 'start', agents, folder: this.#folder, within_ms } satisfies Order);
    }
  }

  /** From now on `seen` tells of this revision. */
  seek(revision: string): void {
    this.#revision = revision;
    this.#tell({ type: 'seek', revision });
  }

  /** From now on `seen` tells of the answers of this controller. */
  watch(controller: string): void {
    this.#controller = controller;
    this.#tell({ type: 'watch', controller });
  }

  /** `undefined` while not all have told of what is sought now. */
  get seen(): Seen | undefined {
    const all = this.#processes.flatMap(({ seen }) =>
      seen?.revision === this.#revision && seen.controller === this.#controller ? seen : [],
    );
    return all.length < this.#processes.length ? undefined : sumOf(all);
  }

  /** How many agents there are at a controller. */
  at(controller: string): number {
    return this.#members.filter((member) => member.controller === controller).length;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Resolves with what was seen once that holds. Rejects with what was seen last after the bound. */
  async until(what: string, holds: (seen: Seen) => boolean, bound_ms: number): Promise<Seen> {
    const end = performance.now() + bound_ms;
    let told_ms = performance.now();
    for (;;) {
      const { seen } = this;
      if (performance.now() - told_ms > TELL_EVERY_MS) {
        told_ms = performance.now();
        this.#progress(`waits until ${what}: ${JSON.stringify(seen)}`);
      }
      if (seen !== undefined && holds(seen)) return seen;
      if (this.#broken !== undefined) throw this.#broken;
      if (performance.now() > end) throw new Error(`not within ${bound_ms} ms: ${what}: ${JSON.stringify(seen)}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  #tell(order: Order): void {
    for (const { child } of this.#processes) child.send(order);
  }

  [Symbol.dispose](): void {
    for (const { child } of this.#processes) {
      child.removeAllListeners('exit');
      child.kill('SIGKILL');
    }
  }
}

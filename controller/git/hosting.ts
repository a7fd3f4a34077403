import { type FSWatcher, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Tree } from '../compile/tree.ts';
import type { Log, Source } from '../intake/intake.ts';
import { HookSocket } from './hook-socket.ts';
import { type HostedOptions, HostedRepository } from './hosted-repository.ts';
import { type HttpBackendOptions, httpBackend, Pushes } from './http-backend.ts';
import type { AuditLog, Candidate, Compiler, Planner, Refused, Rollouts } from './ports.ts';
import { Receive, type ReceiveBounds, type Sharing } from './receive.ts';
import { AllowedSigners } from './signatures.ts';

export interface HostingOptions extends HostedOptions {
  readonly allowedSigners: string | undefined;
  readonly now_ms: () => number;
  readonly log: Log;
}

/** What is known only when the rest of the controller is there. */
export interface HostingParts {
  readonly compiler: Compiler;
  readonly planner: Planner;
  readonly rollouts: Rollouts;
  readonly audit: AuditLog;
  readonly refused: Refused;
  readonly sharing?: Sharing | undefined;
  readonly bounds?: Partial<ReceiveBounds>;
}

/** Git writes a ref in several steps within a few milliseconds. */
const SETTLE_MS = 5;
const TIDY_MS = 6 * 3_600_000;

/** The repository that the controller hosts: takes pushes, and begins what the branch says. */
export class Hosting implements Source {
  readonly repository: HostedRepository;
  readonly #options: HostingOptions;
  readonly #pushes = new Pushes();
  readonly #closers: (() => Promise<void> | void)[] = [];
  #receive: Receive | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: HostingOptions) {
    this.#options = options;
    this.repository = new HostedRepository(options);
  }

  /** Makes the repository ready to be read. */
  open(): Promise<void> {
    return this.repository.open();
  }

  /** Adds the routes; before `start`. */
  register(app: FastifyInstance, bounds?: HttpBackendOptions['bounds']): void {
    const pushed = (): void => this.#look();
    httpBackend(app, { repository: this.repository, pushes: this.#pushes, pushed, ...(bounds && { bounds }) });
  }

  fetch(): Promise<string> {
    return this.repository.fetch();
  }

  readTree(revision: string): Promise<Tree> {
    return this.repository.readTree(revision);
  }

  candidateOf(revision: string): Candidate | undefined {
    return this.#receive?.candidateOf(revision);
  }

  /** Takes pushes from now on, and begins what was pushed while nobody was there. */
  async start(parts: HostingParts): Promise<void> {
    const { repository } = this;
    const { log, now_ms, allowedSigners } = this.#options;
    const signers = allowedSigners === undefined ? undefined : new AllowedSigners(allowedSigners);
    const receive = new Receive({ ...parts, repository, pushes: this.#pushes, log, now_ms, signers });
    this.#receive = receive;
    const socket = new HookSocket(
      repository.socket,
      (call, say, signal) => receive.handle(call, say, signal),
      (error) => log.warn({ err: error }, 'a hook of git was not understood'),
    );
    await socket.listen();
    this.#closers.push(() => socket.close());
    this.#every(TIDY_MS, () => {
      repository.tidy().catch((error: unknown) => log.warn({ err: error }, 'the repository could not be tidied'));
    });
    this.#watch(dirname(join(repository.path, repository.ref)));
    this.#look();
  }

  /** Pushes that are under way are told that the controller goes away. */
  async close(): Promise<void> {
    this.#receive = undefined;
    for (const closer of this.#closers.splice(0).reverse()) await closer();
    await this.#looking;
  }

  #look(): void {
    this.#looking = this.#receive?.moved().catch((error: unknown) => {
      this.#options.log.error({ err: error }, 'what the branch says could not be begun; it is tried again');
    });
  }

  #every(interval_ms: number, job: () => void): void {
    const timer = setInterval(job, interval_ms);
    this.#closers.push(() => clearInterval(timer));
  }

  /** A hook needs the time that a process takes to start; the file of the branch is seen at once. */
  #watch(folder: string): void {
    let timer: NodeJS.Timeout | undefined;
    let watcher: FSWatcher;
    try {
      watcher = watch(folder, { persistent: false }, () => {
        clearTimeout(timer);
        timer = setTimeout(() => this.#look(), SETTLE_MS);
      });
    } catch {
      return; // out of inotify watches: the hook and the clock are left
    }
    watcher.on('error', () => watcher.close());
    this.#closers.push(() => {
      clearTimeout(timer);
      watcher.close();
    });
  }
}

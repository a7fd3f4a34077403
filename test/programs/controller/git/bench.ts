import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import fastify from 'fastify';
import { type Compilation, compileTree } from '../../../../controller/compile/compile.ts';
import { gitText } from '../../../../controller/git/git.ts';
import { Hosting } from '../../../../controller/git/hosting.ts';
import type { HttpBackendOptions } from '../../../../controller/git/http-backend.ts';
import type { Candidate, HostPlan, RolloutEvent } from '../../../../controller/git/ports.ts';
import type { ReceiveBounds } from '../../../../controller/git/receive.ts';
import { SharedRefs } from '../../../../controller/git/shared-refs.ts';
import { keepRefusals } from '../../../../controller/intake/keep-refusals.ts';
import { installProblems } from '../../../../controller/problem.ts';
import { openStore, type Store } from '../../../../controller/store/database.ts';
import { listRevisions, type RevisionRow } from '../../../../controller/store/revisions.ts';
import type { OperatorRole } from '../../../../controller/store/tables.ts';
import { installAuthentication } from '../../../../controller/trust/authenticate.ts';
import { openTrust } from '../../../../controller/trust/trust.ts';
import { good, secrets } from '../../../unit/compile/tree.ts';
import { scratch } from '../git.ts';

/** Everything of a push that is real but the hosts: git on both sides, HTTP, tokens, hooks, the compiler. */
export interface GitBench {
  readonly hosting: Hosting;
  readonly store: Store;
  readonly fleet: MemoryFleet;
  readonly stateDirectory: string;
  /** With the token of this role as its password. */
  url(role?: OperatorRole | 'nobody'): string;
  token(role: OperatorRole): string;
  readonly origin: string;
  close(): Promise<void>;
  /** What `holdfast revisions` lists. */
  revisions(): Promise<readonly RevisionRow[]>;
  audited(): Promise<readonly { readonly action: string; readonly actor: string; readonly subject: string }[]>;
}

export interface BenchOptions {
  readonly stateDirectory?: string;
  readonly bounds?: Partial<ReceiveBounds>;
  readonly http?: HttpBackendOptions['bounds'];
  readonly allowedSigners?: string;
  /** Whether the branch is that of the database. */
  readonly sharing?: true;
  /** Shared with another controller. */
  readonly store?: Store;
  /** Of the certificate authority, which controllers of one database share. */
  readonly trustDirectory?: string;
}

/** The hosts of a test, in memory: what a push would do to them, and what becomes of them, is told by the test. */
export class MemoryFleet {
  readonly begun: { readonly revision: string; readonly by: string; readonly compiled: boolean }[] = [];
  plan: (compilation: Compilation) => readonly HostPlan[] = ({ hosts }) =>
    [...hosts.keys()].map((host) => ({ host, source: 'agent', changes: [] }));
  /** Plans are not answered before. */
  hold: Promise<void> = Promise.resolve();
  /** What is told of a rollout. */
  events: (revision: string, signal: AbortSignal) => AsyncIterable<RolloutEvent> =
    async function* (): AsyncGenerator<RolloutEvent> {
      yield { type: 'ended', state: 'done', why: undefined };
    };

  async begin({ revision, by }: Candidate, compilation: Compilation | undefined): Promise<void> {
    this.begun.push({ revision, by: by.actor, compiled: compilation !== undefined });
  }

  follow(revision: string, signal: AbortSignal): AsyncIterable<RolloutEvent> {
    return this.events(revision, signal);
  }
}

const quiet = {
  info: () => undefined,
  warn: () => undefined,
  error: (details: object) => void process.stderr.write(`${JSON.stringify(details, errorText)}\n`),
};

function errorText(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.stack : value;
}

export async function startGitBench(
  context: Pick<TestContext, 'after'>,
  options: BenchOptions = {},
): Promise<GitBench> {
  const closers: (() => Promise<void>)[] = [];
  // Before the directories go, which is registered after it.
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
  };
  context.after(closeAll);
  const stateDirectory = options.stateDirectory ?? join(await scratch(context), 'state');
  const store = options.store ?? (await openStore({ path: ':memory:', log: quiet }));
  const now_ms = (): number => Date.now();
  const trust = await openTrust({
    store,
    stateDirectory: options.trustDirectory ?? stateDirectory,
    now_ms,
    log: quiet,
  });
  const app = fastify();
  installProblems(app);
  installAuthentication(app, trust);
  const hosting = new Hosting({
    stateDirectory,
    branch: 'main',
    directory: 'desired-state',
    allowedSigners: options.allowedSigners,
    now_ms,
    log: quiet,
  });
  await hosting.open();
  hosting.register(app, options.http);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const fleet = new MemoryFleet();
  const { repository } = hosting;
  const sharing = options.sharing && new SharedRefs({ db: store.db, bus: store.bus, repository, now_ms, log: quiet });
  await sharing?.open();
  await hosting.start({
    compiler: {
      compile: async (tree, revision) =>
        compileTree(tree, { revision, secrets, facts: new Map(), prefix: 'desired-state/' }),
    },
    planner: {
      plan: async (compilation) => {
        const plans = fleet.plan(compilation);
        await fleet.hold;
        return plans;
      },
    },
    rollouts: fleet,
    audit: trust.audit,
    refused: keepRefusals({ db: store.db, now_ms, log: quiet }),
    sharing,
    ...(options.bounds && { bounds: options.bounds }),
  });
  closers.push(
    async () => (options.store === undefined ? store.close() : undefined),
    async () => {
      app.server.closeAllConnections();
      await app.close();
    },
    async () => sharing?.close(),
    () => hosting.close(),
  );
  const made = await Promise.all(
    (['read', 'deploy', 'admin'] as const).map(
      async (role) =>
        [role, (await trust.tokens.create({ name: `ann-${role}`, role, createdBy: 'test' })).text] as const,
    ),
  );
  const texts = new Map<string, string>(made);
  const { port } = app.server.address() as AddressInfo;
  return {
    hosting,
    store,
    fleet,
    stateDirectory,
    origin: `http://127.0.0.1:${port}`,
    token: (role) => texts.get(role) ?? '',
    url(role = 'deploy') {
      const user = role === 'nobody' ? '' : `git:${texts.get(role) ?? ''}@`;
      return `http://${user}127.0.0.1:${port}/desired-state.git`;
    },
    close: closeAll,
    revisions: () => listRevisions(store.db, 100),
    audited: () => store.db.selectFrom('audit').select(['action', 'actor', 'subject']).orderBy('id').execute(),
  };
}

export interface Ended {
  readonly code: number | null;
  /** Both streams, as a terminal shows them; each line of the controller begins with `remote: `. */
  readonly text: string;
  /** What the controller said, without `remote: ` and the spaces that git puts behind a line. */
  readonly remote: readonly string[];
}

/** A clone with the good tree, and what is written over it. */
export class WorkTree {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  static async create(
    context: Pick<TestContext, 'after'>,
    files: Readonly<Record<string, string | null>> = {},
  ): Promise<WorkTree> {
    const tree = new WorkTree(join(await scratch(context), 'work'));
    await mkdir(tree.path);
    await tree.git('init', '--quiet', '--initial-branch=main');
    const base = Object.fromEntries(Object.entries(good).map(([path, text]) => [path, String(text)]));
    await tree.commit({ ...base, ...files });
    return tree;
  }

  /** What git prints. Throws with it when git fails. */
  async git(...args: string[]): Promise<string> {
    const { code, text } = await this.tryGit(args).ended;
    if (code !== 0) throw new Error(`git ${args.join(' ')}: ${text}`);
    return text.trim();
  }

  /** Writes files under `desired-state/`, removes those that are null, and commits; resolves with the revision. */
  async commit(files: Readonly<Record<string, string | null>>, message = 'test'): Promise<string> {
    for (const [path, text] of Object.entries(files)) {
      const full = join(this.path, 'desired-state', path);
      await mkdir(dirname(full), { recursive: true });
      if (text === null) await rm(full);
      else await writeFile(full, text);
    }
    await this.git('add', '--all');
    await this.git('commit', '--quiet', '--allow-empty', '--message', message);
    return this.git('rev-parse', 'HEAD');
  }

  /** Writes an object as it is; resolves with its name. */
  hashed(type: string, content: Buffer): Promise<string> {
    return this.piped(['hash-object', '-w', '-t', type, '--literally', '--stdin'], content);
  }

  async piped(args: readonly string[], input: string | Buffer): Promise<string> {
    return gitText(args, { directory: join(this.path, '.git'), input });
  }

  push(url: string, ...args: string[]): Promise<Ended> {
    return this.tryGit(['push', url, ...(args.length === 0 ? ['HEAD:main'] : args)]).ended;
  }

  /** A git under way; `said` resolves when a line has come. */
  tryGit(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): {
    readonly ended: Promise<Ended>;
    said(pattern: RegExp): Promise<void>;
    readonly interrupt: () => void;
  } {
    const identity = [
      '-c',
      'user.name=Ann',
      '-c',
      'user.email=ann@example.com',
      '-c',
      'advice.pushUpdateRejected=false',
    ];
    const child = spawn('git', [...identity, ...args], {
      cwd: this.path,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: this.path,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_TERMINAL_PROMPT: '0',
        LC_ALL: 'C',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let text = '';
    const listeners = new Set<() => void>();
    const heard = (chunk: Buffer): void => {
      text += chunk.toString('utf8');
      for (const listener of listeners) listener();
    };
    child.stdout.on('data', heard);
    child.stderr.on('data', heard);
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        const lines = text.split('\n').filter((line) => line.startsWith('remote: '));
        resolve({ code, text, remote: lines.map((line) => line.slice('remote: '.length).trimEnd()) });
        for (const listener of listeners) listener();
      });
    });
    let over = false;
    void ended.finally(() => {
      over = true;
    });
    return {
      ended,
      said: (pattern) =>
        new Promise((resolve, reject) => {
          const look = (): void => {
            if (pattern.test(text)) resolve();
            else if (over) reject(new Error(`git ended without ${String(pattern)}: ${text}`));
            else return;
            listeners.delete(look);
          };
          listeners.add(look);
          look();
        }),
      interrupt: () => {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
      },
    };
  }
}

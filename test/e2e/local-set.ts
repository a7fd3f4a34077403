/** A set of local hosts of a test's own, brought up and used by the same commands as a person's. */
import { randomInt } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { ensureKeys } from '../../bootstrap/local/keys.ts';
import { accessTo, desiredStateUrl } from '../../bootstrap/local/repositories.ts';
import { localSettings } from '../../bootstrap/local/settings.ts';
import { hostOf } from '../hosts/compose.ts';
import { type Host } from '../hosts/host.ts';
import { mustRun, type ProcessResult, runProcess } from '../hosts/process.ts';

const ROOT = join(import.meta.dirname, '../..');
const COMMAND_TIMEOUT_MS = 900_000;
const PUSH_TIMEOUT_MS = 360_000;
const POLL_MS = 250;

export interface Pushed {
  readonly commit: string;
  readonly code: number;
  /** As the terminal showed it. */
  readonly said: string;
}

const statusSchema = v.object({
  whyDifferent: v.optional(v.string()),
  served: v.object({ revision: v.string(), sequence: v.number() }),
  issues: v.array(v.object({ text: v.string() })),
  hosts: v.array(
    v.object({
      host: v.string(),
      state: v.string(),
      why: v.optional(v.string()),
      wantedRevision: v.optional(v.string()),
      runningRevision: v.optional(v.string()),
    }),
  ),
});

export type SetStatus = v.InferOutput<typeof statusSchema>;

export class LocalSet {
  readonly url: string;
  readonly project: string;
  readonly stateFolder: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #subnet: string;

  private constructor(folder: string) {
    this.project = `holdfast-e2e-${process.pid}`;
    this.#subnet = `10.${randomInt(192, 240)}.${randomInt(256)}`;
    this.stateFolder = join(folder, 'state');
    this.url = `https://${this.#subnet}.15`;
    this.#env = {
      HOLDFAST_PROJECT: this.project,
      HOLDFAST_SUBNET: this.#subnet,
      HOLDFAST_STATE: this.stateFolder,
    };
  }

  static async create(): Promise<LocalSet> {
    return new LocalSet(await mkdtemp(join(tmpdir(), 'holdfast-e2e-')));
  }

  /** `npm run up`, `down` or `status`. */
  run(command: 'up' | 'down' | 'status', ...args: readonly string[]): Promise<ProcessResult> {
    const program = [process.execPath, join(ROOT, `bootstrap/${command}.ts`), ...args];
    return runProcess(program, { env: this.#env, timeout_ms: COMMAND_TIMEOUT_MS, cwd: ROOT });
  }

  host(service: 'controller' | 'db' | 'web'): Promise<Host> {
    return hostOf({ project: this.project, subnet: this.#subnet }, service);
  }

  async status(): Promise<SetStatus> {
    const { stdout, stderr } = await this.run('status', '--json');
    if (stdout === '') throw new Error(stderr);
    return v.parse(statusSchema, JSON.parse(stdout));
  }

  /** Waits until the status is as wanted; rejects with the last one. */
  async until(what: string, isSo: (status: SetStatus) => boolean, timeout_ms = 120_000): Promise<SetStatus> {
    const deadline = Date.now() + timeout_ms;
    for (;;) {
      const status = await this.status();
      if (isSo(status)) return status;
      if (Date.now() > deadline)
        throw new Error(`not within ${timeout_ms} ms: ${what}\n${JSON.stringify(status, null, 1)}`);
      await delay(POLL_MS);
    }
  }

  /** Edits one file of a repository as a person would, and pushes. Resolves to the new commit and what git said. */
  async push(options: {
    repository: 'desired-state' | 'todomvc';
    file: string;
    edit: (text: string) => string;
  }): Promise<Pushed> {
    const { branch, url, access } = await this.#repository(options.repository);
    const work = await mkdtemp(join(tmpdir(), 'holdfast-edit-'));
    try {
      const git = (...args: readonly string[]): Promise<string> =>
        mustRun(['git', '-C', work, ...(access?.options ?? []), ...args], { env: { ...access?.env } });
      await git('clone', '--quiet', `--branch=${branch}`, url, '.');
      const path = join(work, options.file);
      const before = await readFile(path, 'utf8').catch(() => '');
      const text = options.edit(before);
      if (text === before) throw new Error(`the edit of ${options.file} changes nothing:\n${before}`);
      await writeFile(path, text);
      await git('add', '--all');
      const author = ['-c', 'user.name=Operator', '-c', 'user.email=operator@localhost', '-c', 'commit.gpgSign=false'];
      await git(...author, 'commit', '--quiet', '--message', `edit ${options.file}`);
      const pushed = await runProcess(['git', '-C', work, ...(access?.options ?? []), 'push', 'origin', branch], {
        env: { ...access?.env },
        timeout_ms: PUSH_TIMEOUT_MS,
      });
      return { commit: (await git('rev-parse', 'HEAD')).trim(), code: pushed.code, said: pushed.stderr };
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  async #repository(name: 'desired-state' | 'todomvc') {
    if (name === 'todomvc') return { branch: 'master', url: join(this.stateFolder, 'git/todomvc.git') };
    const settings = localSettings(this.#env);
    return {
      branch: 'main',
      url: desiredStateUrl(settings),
      access: await accessTo(settings, await ensureKeys(settings)),
    };
  }

  async dispose(): Promise<void> {
    await this.run('down');
    await rm(join(this.stateFolder, '..'), { recursive: true, force: true });
  }
}

/** Every host that the set has runs the served revision and is converged. */
export function converged(...names: readonly string[]): (status: SetStatus) => boolean {
  return ({ hosts }) => names.every((name) => hosts.some(({ host, state }) => host === name && state === 'converged'));
}

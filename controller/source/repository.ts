import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type SimpleGit, simpleGit } from 'simple-git';
import type { Tree } from '../compile/tree.ts';
import { readGitTree } from './git-tree.ts';
import { RefusedRevision } from './refusal.ts';

export interface RepositoryOptions {
  /** Path or URL, as `git fetch` takes it. */
  readonly repository: string;
  readonly branch: string;
  /** Sub-directory of the tree inside of the repository; `.` for its root. */
  readonly directory: string;
  /** Where the copy of the repository is kept; belongs to this process alone. */
  readonly stateDirectory: string;
  /** Bound on a git command that says nothing. */
  readonly timeout_ms?: number;
}

/** What git said, in one line, and what the controller wanted of it. */
export class RepositoryError extends Error {
  override readonly name = 'RepositoryError';
}

/**
 * A bare copy of the repository. Revisions are read out of it into memory; nothing is ever checked out, so that a kill at
 * any moment leaves nothing half done. What was fetched once stays readable when the remote is gone or force-pushed.
 */
export class Repository {
  readonly #options: RepositoryOptions;
  readonly #bare: string;

  constructor(options: RepositoryOptions) {
    this.#options = options;
    this.#bare = join(options.stateDirectory, 'repository.git');
  }

  /** Makes the copy where there is none, and clears what a killed git may have left. Fetches nothing. */
  async open(): Promise<void> {
    await mkdir(this.#options.stateDirectory, { recursive: true, mode: 0o700 });
    await writeFile(this.#config, gitConfig(), { mode: 0o600 });
    if (existsSync(this.#bare)) {
      await removeLocks(this.#bare);
      if (await this.#works()) return;
      await rm(this.#bare, { recursive: true });
    }
    await mkdir(this.#bare, { mode: 0o700 });
    await this.#git().raw(['init', '--quiet', '--bare', '.']);
  }

  /** Looks which commit the branch is at, and gets it when it is not here yet. Throws `RepositoryError`. */
  async fetch(): Promise<string> {
    const { repository, branch } = this.#options;
    const revision = await this.#tip();
    if (await this.#has(revision)) return revision;
    // Into a name of its own, forced: a branch that was rewound or rewritten is a revision like any other.
    const ref = `+refs/heads/${branch}:refs/holdfast/fetched`;
    await this.#run(`fetch ${branch}`, [
      'fetch',
      '--quiet',
      '--no-tags',
      '--no-write-fetch-head',
      '--',
      repository,
      ref,
    ]);
    // The branch may have moved in between; what counts is what is here now.
    const fetched = (
      await this.#run('read the fetched commit', ['rev-parse', '--verify', 'refs/holdfast/fetched'])
    ).trim();
    await this.#run('keep the fetched commit', ['update-ref', `refs/holdfast/kept/${fetched}`, fetched]);
    return fetched;
  }

  /** The tree of a revision that has been fetched; a copy that is damaged is made anew. Throws `RepositoryError`. */
  async readTree(revision: string): Promise<Tree> {
    try {
      return await this.#readTree(revision);
    } catch (error) {
      if (error instanceof RefusedRevision) throw error;
      await this.#tip().catch(() => {
        throw error; // a damaged copy is better than none while there is nothing to make a new one from
      });
    }
    await rm(this.#bare, { recursive: true, force: true });
    await this.open();
    await this.fetch();
    return this.#readTree(revision);
  }

  async #tip(): Promise<string> {
    const { repository, branch } = this.#options;
    const listed = await this.#run(`look at ${branch}`, ['ls-remote', '--', repository, `refs/heads/${branch}`]);
    const revision = /^([0-9a-f]{40,64})\t/m.exec(listed)?.[1];
    if (revision === undefined) throw new RepositoryError(`${shown(repository)} has no branch "${branch}"`);
    return revision;
  }

  #readTree(revision: string): Promise<Tree> {
    return readGitTree(revision, this.#options.directory, {
      list: async (args) => this.#run('list the tree', [...args]),
      cat: async (args, input) => {
        try {
          return await this.#git(input).binaryCatFile(args.slice(1));
        } catch (error) {
          throw new RepositoryError(`cannot read the files of the revision: ${firstLine(error)}`);
        }
      },
    });
  }

  async #has(revision: string): Promise<boolean> {
    const found = await this.#git()
      .raw(['cat-file', '-t', revision])
      .catch(() => '');
    return found.trim() === 'commit';
  }

  async #works(): Promise<boolean> {
    return this.#git()
      .raw(['rev-parse', '--is-bare-repository'])
      .then(
        (text) => text.trim() === 'true',
        () => false,
      );
  }

  async #run(what: string, command: string[]): Promise<string> {
    try {
      return await this.#git().raw(command);
    } catch (error) {
      throw new RepositoryError(`cannot ${what} of ${shown(this.#options.repository)}: ${firstLine(error)}`);
    }
  }

  #git(input?: string): SimpleGit {
    return simpleGit({
      baseDir: this.#bare,
      timeout: { block: this.#options.timeout_ms ?? 60_000 },
      unsafe: { allowUnsafeConfigPaths: true },
      allowEnvironment: ['GIT_CONFIG_GLOBAL', 'GIT_TERMINAL_PROMPT', 'GIT_ALLOW_PROTOCOL', 'GIT_SSL_CAINFO'],
      ...(input === undefined ? {} : { input: () => input }),
    }).env({
      ...inherited(),
      GIT_CONFIG_GLOBAL: this.#config,
      GIT_TERMINAL_PROMPT: '0',
      GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
      LC_ALL: 'C',
    });
  }

  get #config(): string {
    return join(this.#options.stateDirectory, 'gitconfig');
  }
}

/** What git needs of our environment; nothing in it makes git run another program. */
function inherited(): Record<string, string> {
  const names =
    /^(?:PATH|HOME|USER|LOGNAME|TZ|SSH_AUTH_SOCK|SSL_CERT_(?:FILE|DIR)|GIT_SSL_CAINFO|(?:https?|no|all)_proxy)$/i;
  const entries = Object.entries(process.env);
  return Object.fromEntries(entries.flatMap(([name, value]) => (names.test(name) && value ? [[name, value]] : [])));
}

/**
 * A configuration file and not `-c`, because only a file reaches the other git that serves a repository on this machine:
 * that one refuses a repository of another user unless it is told that this is meant.
 */
function gitConfig(): string {
  return `[include]\n\tpath = ${join(homedir(), '.gitconfig')}\n[safe]\n\tdirectory = *\n[gc]\n\tauto = 0\n`;
}

/** Lock files of a git that was killed: no other process works in this directory. */
async function removeLocks(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const locks = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.lock'));
  for (const lock of locks) await rm(join(lock.parentPath, lock.name), { force: true });
}

/** A URL without the password that may stand in it. */
export function shown(repository: string): string {
  return repository.replace(/^(\w+:\/\/)[^/@]*@/, '$1***@');
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const line = lines.find((one) => /^(?:fatal|error):/.test(one)) ?? lines[0] ?? 'git failed';
  return shown(line.replace(/(\w+:\/\/)[^/@\s]*@/g, '$1***@').replace(/^(?:fatal|error): /, ''));
}

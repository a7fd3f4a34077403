import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tree } from '../compile/tree.ts';
import { readGitTree } from '../source/git-tree.ts';
import { writeFileAtomically } from '../store/atomic-file.ts';
import { GitFailed, git, gitText } from './git.ts';

/** The name under which the controller serves its repository. */
export const HOSTED_NAME = 'desired-state.git';

/** Compressed; a desired state is text. Objects that are larger than what the compiler reads are refused by it. */
export const MOST_PUSH_BYTES = 64 * 1024 * 1024;

/** More loose objects than this, and they are packed; a push of a change makes about five. */
const LOOSE_FOLDER_OBJECTS = 40;

/** The kernel's `sun_path` holds 108 bytes with its end. */
const MOST_SOCKET_PATH_BYTES = 107;

export interface HostedOptions {
  readonly stateDirectory: string;
  readonly branch: string;
  /** Sub-directory of the tree inside of the repository; `.` for its root. */
  readonly directory: string;
}

/** Where the objects of a push are until it is accepted. */
export interface Quarantine {
  readonly objects: string;
  readonly alternates: string;
}

/** The bare repository that the controller hosts itself. Everything in it is written by git and by this class. */
export class HostedRepository {
  readonly path: string;
  readonly branch: string;
  readonly #options: HostedOptions;

  constructor(options: HostedOptions) {
    this.#options = options;
    this.branch = options.branch;
    this.path = join(options.stateDirectory, HOSTED_NAME);
  }

  /** The folder of the hooks; outside of the repository, where nothing that git writes ever lies. */
  get hooks(): string {
    return join(this.#options.stateDirectory, 'git-hooks');
  }

  get socket(): string {
    return join(this.#options.stateDirectory, 'git.sock');
  }

  /** Makes the repository where there is none; settings and hooks are ours at every start. */
  async open(): Promise<void> {
    if (Buffer.byteLength(this.socket) > MOST_SOCKET_PATH_BYTES) {
      throw new Error(`${this.socket} is too long for a socket: take a shorter --state-directory`);
    }
    await mkdir(this.#options.stateDirectory, { recursive: true, mode: 0o700 });
    if (!existsSync(join(this.path, 'HEAD'))) {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      const init = ['init', '--quiet', '--bare', '--template=', `--initial-branch=${this.branch}`, '.'];
      await git(init, { directory: this.path });
    }
    await removeLocks(this.path);
    await writeHooks(this.hooks, this.socket);
    await writeFileAtomically(join(this.path, 'config'), configOf(this.hooks));
    await git(['symbolic-ref', 'HEAD', this.ref], { directory: this.path });
    await this.#dropPreviews();
  }

  /** `refs/heads/main` */
  get ref(): string {
    return `refs/heads/${this.branch}`;
  }

  /** Where the branch is; `undefined` before the first push. */
  async tip(): Promise<string | undefined> {
    try {
      return await gitText(['rev-parse', '--verify', '--quiet', `${this.ref}^{commit}`], { directory: this.path });
    } catch (error) {
      if (error instanceof GitFailed && error.status === 1) return undefined;
      throw error;
    }
  }

  /** As a `Source`: nothing has to be fetched. */
  async fetch(): Promise<string> {
    const tip = await this.tip();
    if (tip === undefined) {
      throw new Error(`nothing has been pushed yet: git push https://CONTROLLER/${HOSTED_NAME} HEAD:${this.branch}`);
    }
    return tip;
  }

  readTree(revision: string, quarantine?: Quarantine, signal?: AbortSignal): Promise<Tree> {
    const run = { directory: this.path, environment: environmentOf(quarantine), signal };
    return readGitTree(revision, this.#options.directory, {
      list: async (args) => (await git(args, run)).toString('utf8'),
      cat: (args, input) => git(args, { ...run, input }),
    });
  }

  /** A command of git in this repository that sees what a push has brought. */
  run(args: readonly string[], quarantine?: Quarantine, signal?: AbortSignal): Promise<string> {
    return gitText(args, { directory: this.path, environment: environmentOf(quarantine), signal });
  }

  /** The same for what is no text, with input. */
  bytes(args: readonly string[], input: string, quarantine?: Quarantine): Promise<Buffer> {
    return git(args, { directory: this.path, environment: environmentOf(quarantine), input });
  }

  /** Whether a commit is here. */
  async has(revision: string): Promise<boolean> {
    return this.run(['cat-file', '-e', `${revision}^{commit}`]).then(
      () => true,
      () => false,
    );
  }

  async deleteRef(ref: string): Promise<void> {
    await this.run(['update-ref', '-d', ref]);
  }

  /** Keeps the commit readable when the branch no longer leads to it. */
  async keep(revision: string): Promise<void> {
    await this.run(['update-ref', `refs/holdfast/kept/${revision}`, revision]);
  }

  /** Packs what many pushes have left, when there is enough of it; objects of pushes that are on their way stay. */
  async tidy(): Promise<void> {
    const folder = await readdir(join(this.path, 'objects', '17')).catch(() => []);
    if (folder.length < LOOSE_FOLDER_OBJECTS) return;
    await git(['gc', '--quiet', '--prune=1.day.ago'], { directory: this.path, bound_ms: 600_000 });
  }

  /** A preview's ref lives as long as its push; one that a killed controller has left is nobody's. */
  async #dropPreviews(): Promise<void> {
    const refs = await this.run(['for-each-ref', '--format=%(refname)', ...PREVIEW_FOLDERS]);
    for (const ref of refs.split('\n').filter((line) => line !== '')) await this.deleteRef(ref);
  }
}

/** `git push origin HEAD:preview/NAME` becomes the first; the second is for who writes it out. */
export const PREVIEW_FOLDERS = ['refs/heads/preview/', 'refs/preview/'] as const;

export function isPreview(ref: string): boolean {
  return PREVIEW_FOLDERS.some((folder) => ref.startsWith(folder) && ref.length > folder.length);
}

function environmentOf(quarantine: Quarantine | undefined): Readonly<Record<string, string>> | undefined {
  return (
    quarantine && {
      GIT_OBJECT_DIRECTORY: quarantine.objects,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: quarantine.alternates,
    }
  );
}

/**
 * The whole of the repository's settings. They stand in the file and not in the environment, because a push over SSH or
 * by path runs the git of another process.
 */
function configOf(hooks: string): string {
  return `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = always
\thooksPath = ${JSON.stringify(hooks)}
\tbigFileThreshold = 8m
\tprotectNTFS = true
\tprotectHFS = true
[transfer]
\tfsckObjects = true
[receive]
\tfsckObjects = true
\tmaxInputSize = ${MOST_PUSH_BYTES}
\tadvertisePushOptions = true
\tdenyDeletes = true
\tdenyNonFastForwards = false
\tautogc = false
\tupdateServerInfo = false
\tshallowUpdate = false
\thideRefs = refs/holdfast
[uploadpack]
\thideRefs = refs/holdfast
\thideRefs = refs/preview
\thideRefs = refs/heads/preview
[http]
\treceivepack = true
\tuploadpack = true
\tgetanyfile = false
[gc]
\tauto = 0
\treflogExpire = 365.days
\treflogExpireUnreachable = 365.days
[maintenance]
\tauto = false
[pack]
\tthreads = 1
\twindowMemory = 64m
`;
}

/** In a bundle the script lies beside the bundle, whose chunks lie one folder below. */
async function hookScript(): Promise<string> {
  const here = import.meta.dirname;
  const candidates = [join(here, 'hook.mjs'), join(here, 'git-hook.mjs'), join(here, '..', 'git-hook.mjs')];
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined)
    throw new Error(`the script of git's hooks is not beside ${here}: install the package again`);
  return readFile(found, 'utf8');
}

/** A hook that is not executable is one that git passes over: each appears whole and with its mode. */
async function writeHooks(folder: string, socket: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const script = join(folder, 'hook.mjs');
  await replace(script, await hookScript(), 0o600);
  for (const hook of ['pre-receive', 'post-receive']) {
    const words = [process.execPath, script, hook, socket].map(shellQuoted);
    await replace(join(folder, hook), `#!/bin/sh\nexec ${words.join(' ')}\n`, 0o700);
  }
}

async function replace(path: string, text: string, mode: number): Promise<void> {
  await writeFile(`${path}.new`, text, { mode });
  await chmod(`${path}.new`, mode);
  await rename(`${path}.new`, path);
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** No git holds a lock for this long. */
const LOCK_MS = 10_000;

/** Lock files of a git that was killed. */
async function removeLocks(directory: string): Promise<void> {
  const refs = await readdir(join(directory, 'refs'), { recursive: true, withFileTypes: true });
  const top = await readdir(directory, { withFileTypes: true });
  const locks = [...refs, ...top].filter((entry) => entry.isFile() && entry.name.endsWith('.lock'));
  for (const lock of locks) {
    const path = join(lock.parentPath, lock.name);
    const stats = await stat(path).catch(() => undefined);
    if (stats !== undefined && Date.now() - stats.mtimeMs > LOCK_MS) await rm(path, { force: true });
  }
}

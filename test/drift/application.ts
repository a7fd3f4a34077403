/** The application's git repository: examples/todomvc as its first commit, which is the same one in every run. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from '../hosts/process.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/todomvc');
const BRANCH = 'master';
/** A commit is named after its date too: images that were baked with a release of it stay good. */
const DATE = '2026-01-01T00:00:00Z';

export class Application {
  /** Holds the bare repository `todomvc.git`. */
  readonly folder: string;
  readonly #work: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.#work = join(folder, 'work');
  }

  static async create(): Promise<Application> {
    const made = new Application(await mkdtemp(join(tmpdir(), 'holdfast-app-')));
    await cp(EXAMPLE, made.#work, { recursive: true, filter: (path) => !path.includes('__pycache__') });
    await mustRun(['git', 'init', '--quiet', `--initial-branch=${BRANCH}`, made.#work]);
    await mustRun(['git', 'init', '--quiet', '--bare', `--initial-branch=${BRANCH}`, join(made.folder, 'todomvc.git')]);
    await made.commit('true');
    return made;
  }

  /** Runs a bash script in a checkout, commits what it did and pushes it. Resolves to the full name of the commit. */
  async commit(script: string): Promise<string> {
    const cwd = this.#work;
    await mustRun(['bash', '-euc', script], { cwd });
    const author = ['-c', 'user.name=Ops', '-c', 'user.email=ops@example.org', '-c', 'commit.gpgSign=false'];
    const env = { GIT_AUTHOR_DATE: DATE, GIT_COMMITTER_DATE: DATE };
    await mustRun(['git', 'add', '--all', '--force'], { cwd });
    await mustRun(['git', ...author, 'commit', '--quiet', '--message', 'change'], { cwd, env });
    await mustRun(['git', 'push', '--quiet', '--force', join(this.folder, 'todomvc.git'), BRANCH], { cwd });
    return (await mustRun(['git', 'rev-parse', 'HEAD'], { cwd })).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The two git repositories of the local hosts: the desired state that people push to, and the example application. */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun, runProcess } from '../../test/hosts/process.ts';
import { type LocalSettings, ROOT, USUAL_SUBNET } from './settings.ts';

export interface Repositories {
  readonly desiredState: string;
  readonly application: string;
  /** How a person changes the desired state: in this clone, or in one of its own where this clone cannot be pushed. */
  readonly editing: 'here' | 'in a clone';
  /** Whether this clone holds commits that were not pushed. */
  readonly unpushed: boolean;
}

const REMOTE = 'holdfast';
const BRANCH = 'main';
const APPLICATION_BRANCH = 'master';

/** Makes and fills the repositories where they are missing; what was pushed since stays. */
export async function ensureRepositories(settings: LocalSettings): Promise<Repositories> {
  const folder = join(settings.stateFolder, 'git');
  const desiredState = join(folder, 'desired-state.git');
  const application = join(folder, 'todomvc.git');
  await mkdir(folder, { recursive: true });
  const here = settings.set.subnet === USUAL_SUBNET && (await isClone());
  if (await isMissing(desiredState, BRANCH)) {
    await makeBare(desiredState, BRANCH);
    if (here) await git(['push', '--quiet', desiredState, `HEAD:refs/heads/${BRANCH}`], ROOT);
    else
      await pushCopy({
        from: join(ROOT, 'desired-state'),
        to: desiredState,
        into: 'desired-state',
        branch: BRANCH,
        edit: movedTo(settings),
      });
  }
  if (await isMissing(application, APPLICATION_BRANCH)) {
    await makeBare(application, APPLICATION_BRANCH);
    await pushCopy({ from: join(ROOT, 'examples/todomvc'), to: application, into: '.', branch: APPLICATION_BRANCH });
  }
  if (here) await rememberRemote(desiredState);
  return { desiredState, application, editing: here ? 'here' : 'in a clone', unpushed: here && (await isAhead()) };
}

/** Takes the remote away from this clone where it is that of this set. */
export async function forgetRemote({ stateFolder }: LocalSettings): Promise<void> {
  const url = await runProcess(['git', 'remote', 'get-url', REMOTE], { cwd: ROOT });
  if (url.stdout.trim() === join(stateFolder, 'git/desired-state.git')) await git(['remote', 'remove', REMOTE], ROOT);
}

async function isClone(): Promise<boolean> {
  const top = await runProcess(['git', 'rev-parse', '--show-toplevel'], { cwd: ROOT });
  return (
    top.code === 0 &&
    top.stdout.trim() === ROOT &&
    (await runProcess(['git', 'rev-parse', '--verify', '--quiet', 'HEAD'], { cwd: ROOT })).code === 0
  );
}

async function isMissing(repository: string, branch: string): Promise<boolean> {
  if (!existsSync(repository)) return true;
  return (
    (await runProcess(['git', '--git-dir', repository, 'rev-parse', '--verify', '--quiet', `refs/heads/${branch}`]))
      .code !== 0
  );
}

async function makeBare(repository: string, branch: string): Promise<void> {
  // Readable by the controller's user whatever the umask; a clone may be shallow.
  await git(['init', '--quiet', '--bare', '--shared=0644', `--initial-branch=${branch}`, repository], ROOT);
  await git(['--git-dir', repository, 'config', 'receive.shallowUpdate', 'true'], ROOT);
}

async function pushCopy(options: {
  from: string;
  to: string;
  /** Folder of the repository that the copy becomes. */
  into: string;
  branch: string;
  edit?: (folder: string) => Promise<void>;
}): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'holdfast-copy-'));
  try {
    await git(['init', '--quiet', `--initial-branch=${options.branch}`], work);
    await cp(options.from, join(work, options.into), {
      recursive: true,
      filter: (path) => !path.includes('__pycache__'),
    });
    await options.edit?.(join(work, options.into));
    await git(['add', '--all', '--force'], work);
    const author = ['-c', 'user.name=Holdfast', '-c', 'user.email=holdfast@localhost', '-c', 'commit.gpgSign=false'];
    await git([...author, 'commit', '--quiet', '--message', 'Local hosts: the starting point'], work);
    await git(['push', '--quiet', options.to, options.branch], work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** On another network than the usual one every address is another one, too. */
function movedTo({ set }: LocalSettings): (folder: string) => Promise<void> {
  return async (folder) => {
    for (const part of ['hosts', 'environments']) {
      for (const name of await readdir(join(folder, part))) {
        const path = join(folder, part, name);
        await writeFile(path, (await readFile(path, 'utf8')).replaceAll(`${USUAL_SUBNET}.`, `${set.subnet}.`));
      }
    }
  };
}

async function rememberRemote(repository: string): Promise<void> {
  const url = await runProcess(['git', 'remote', 'get-url', REMOTE], { cwd: ROOT });
  if (url.code !== 0) await git(['remote', 'add', REMOTE, repository], ROOT);
  else if (url.stdout.trim() !== repository) await git(['remote', 'set-url', REMOTE, repository], ROOT);
  await git(['fetch', '--quiet', REMOTE], ROOT);
}

async function isAhead(): Promise<boolean> {
  const result = await runProcess(['git', 'rev-list', '--count', `${REMOTE}/${BRANCH}..HEAD`], { cwd: ROOT });
  return result.code === 0 && result.stdout.trim() !== '0';
}

async function git(args: readonly string[], cwd: string): Promise<void> {
  await mustRun(['git', ...args], { cwd });
}

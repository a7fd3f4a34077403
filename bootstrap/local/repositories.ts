/**
 * The two git repositories of the local hosts: the desired state, which the controller hosts and people push to, and the
 * example application, a folder of this machine.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun, runProcess } from '../../test/hosts/process.ts';
import type { Keys } from './keys.ts';
import { type LocalSettings, ROOT, USUAL_SUBNET } from './settings.ts';

export interface DesiredState {
  /** Where it is pushed to. */
  readonly url: string;
  /** How a person changes it: in this clone, or in one of its own where this clone cannot be pushed. */
  readonly editing: 'here' | 'in a clone';
  /** Whether this clone holds commits that were not pushed. */
  readonly unpushed: boolean;
}

const REMOTE = 'holdfast';
const BRANCH = 'main';
const APPLICATION_BRANCH = 'master';

/** Makes and fills the application's repository where it is missing; what was pushed since stays. */
export async function ensureApplication({ stateFolder }: LocalSettings): Promise<void> {
  const folder = join(stateFolder, 'git');
  const application = join(folder, 'todomvc.git');
  await mkdir(folder, { recursive: true });
  if (!(await isMissing(application, APPLICATION_BRANCH))) return;
  await makeBare(application, APPLICATION_BRANCH);
  await pushCopy({ from: join(ROOT, 'examples/todomvc'), to: application, into: '.', branch: APPLICATION_BRANCH });
}

/** Pushes the desired state to a controller that has none yet; what was pushed since stays. The controller has to answer. */
export async function ensureDesiredState(settings: LocalSettings, keys: Keys): Promise<DesiredState> {
  const url = desiredStateUrl(settings);
  const access = await accessTo(settings, keys);
  const here = settings.set.subnet === USUAL_SUBNET && (await isClone());
  if (await hasNothing(url, access)) {
    try {
      if (here) await git(['push', '--quiet', url, `HEAD:refs/heads/${BRANCH}`], ROOT, access);
      else
        await pushCopy({
          from: join(ROOT, 'desired-state'),
          to: url,
          into: 'desired-state',
          branch: BRANCH,
          access,
          edit: movedTo(settings),
        });
    } catch (error) {
      // Another machine that comes up beside this one may have been first.
      if (await hasNothing(url, access)) throw error;
    }
  }
  if (here) await rememberRemote(settings, access);
  return { url, editing: here ? 'here' : 'in a clone', unpushed: here && (await isAhead()) };
}

/** With which git reaches the controller as its administrator. */
export interface Access {
  /** As `git` and `git clone` take them. */
  readonly options: readonly string[];
  /** A variable of the person's own would go over the setting of the same name. */
  readonly env: { readonly GIT_SSL_CAINFO: string };
}

export async function accessTo(settings: LocalSettings, keys: Keys): Promise<Access> {
  const credentials = join(settings.stateFolder, 'git-credentials');
  const { protocol, host } = new URL(settings.controllerUrl);
  const token = (await readFile(keys.adminToken, 'utf8')).trim();
  await writeFile(credentials, `${protocol}//admin:${token}@${host}\n`, { mode: 0o600 });
  const options = Object.entries(settingsOf(settings, keys.caCert)).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  return { options, env: { GIT_SSL_CAINFO: keys.caCert } };
}

export function desiredStateUrl({ controllerUrl }: LocalSettings): string {
  return `${controllerUrl}/desired-state.git`;
}

function settingsOf({ controllerUrl, stateFolder }: LocalSettings, caCert: string): Readonly<Record<string, string>> {
  // git hands the helper to a shell.
  const file = `'${join(stateFolder, 'git-credentials').replaceAll("'", `'\\''`)}'`;
  return {
    [`http.${controllerUrl}/.sslCAInfo`]: caCert,
    [`credential.${controllerUrl}.helper`]: `store --file ${file}`,
  };
}

/** Takes the remote away from this clone where it is that of this set. */
export async function forgetRemote(settings: LocalSettings): Promise<void> {
  const url = await runProcess(['git', 'remote', 'get-url', REMOTE], { cwd: ROOT });
  if (url.stdout.trim() !== desiredStateUrl(settings)) return;
  await git(['remote', 'remove', REMOTE], ROOT);
  for (const name of Object.keys(settingsOf(settings, ''))) {
    await runProcess(['git', 'config', '--local', '--unset-all', name], { cwd: ROOT });
  }
}

async function hasNothing(url: string, access: Access): Promise<boolean> {
  return (await git(['ls-remote', url, `refs/heads/${BRANCH}`], ROOT, access)).trim() === '';
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
  /** That the push needs. */
  access?: Access;
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
    await git(['push', '--quiet', options.to, options.branch], work, options.access);
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

async function rememberRemote(settings: LocalSettings, access: Access): Promise<void> {
  const wanted = desiredStateUrl(settings);
  const url = await runProcess(['git', 'remote', 'get-url', REMOTE], { cwd: ROOT });
  if (url.code !== 0) await git(['remote', 'add', REMOTE, wanted], ROOT);
  else if (url.stdout.trim() !== wanted) await git(['remote', 'set-url', REMOTE, wanted], ROOT);
  for (const setting of access.options.filter((word) => word !== '-c')) {
    const at = setting.indexOf('=');
    await git(['config', '--local', setting.slice(0, at), setting.slice(at + 1)], ROOT);
  }
  await git(['fetch', '--quiet', REMOTE], ROOT, access);
}

async function isAhead(): Promise<boolean> {
  const result = await runProcess(['git', 'rev-list', '--count', `${REMOTE}/${BRANCH}..HEAD`], { cwd: ROOT });
  return result.code === 0 && result.stdout.trim() !== '0';
}

function git(args: readonly string[], cwd: string, access?: Access): Promise<string> {
  return mustRun(['git', ...(access?.options ?? []), ...args], { cwd, ...(access && { env: { ...access.env } }) });
}

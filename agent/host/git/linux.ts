import { setTimeout as sleep } from 'node:timers/promises';
import type { Output } from '../commands/port.ts';
import { CommandFailed, runCommand } from '../commands/run.ts';
import type { FileReader, FileWriter } from '../files/port.ts';
import { lookUpDirectly } from './direct.ts';
import type { GitSource, GitWriter, Lookup } from './port.ts';

const LOOKUP_BOUND_MS = 20_000;
const DIRECT_BOUND_MS = 5_000;
/** With less than this left, a checkout that failed has most likely failed for it. */
const SCANT_BYTES = 16 * 1024 * 1024;
const TRANSFER_BOUND_MS = 600_000;
/** How long a look may wait for a fresh answer while it has an older one. */
const PATIENCE_MS = 1_000;
/** Who asks every `maxAge_ms` asks a moment before the last answer, which took its time, is that old. */
const STILL_FRESH = 0.9;
const MAX_REMEMBERED = 100;
/** Stands for the repository in argument vectors; `insteadOf` in the environment says what it means. */
const ALIAS = 'holdfast:source';

const SAFE_SETTINGS: readonly (readonly [string, string])[] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.autocrlf', 'false'],
  // The mirror is root's own; the trees that are written belong to whoever the release belongs to.
  ['safe.directory', '*'],
  ['gc.autoDetach', 'false'],
  ['http.lowSpeedLimit', '1000'],
  ['http.lowSpeedTime', '30'],
];

interface Remembered {
  readonly lookup: Lookup;
  readonly at_ms: number;
}

export function linuxGit({ files }: { readonly files: FileWriter }): GitWriter {
  const answers = new Map<string, Remembered>();
  const running = new Map<string, Promise<Lookup>>();

  async function remoteCommit(source: GitSource, maxAge_ms: number): Promise<Lookup> {
    const key = `${source.repository}\n${source.ref}`;
    const before = answers.get(key);
    if (before !== undefined && performance.now() - before.at_ms < maxAge_ms * STILL_FRESH) return before.lookup;
    const asking = running.get(key) ?? ask(key, source);
    if (before === undefined) return asking;
    return Promise.race([asking, sleep(PATIENCE_MS, before.lookup, { ref: false })]);
  }

  function ask(key: string, source: GitSource): Promise<Lookup> {
    const asking = lookUp(source, files).finally(() => running.delete(key));
    running.set(key, asking);
    return asking.then((lookup) => {
      if (answers.size >= MAX_REMEMBERED) answers.clear();
      answers.set(key, { lookup, at_ms: performance.now() });
      return lookup;
    });
  }

  async function fetch(mirror: string, source: GitSource, commit: string): Promise<void> {
    if ((await files.stat(`${mirror}/HEAD`)) === undefined) {
      await git(['init', '--quiet', '--bare', '--template=', mirror], source, LOOKUP_BOUND_MS);
    }
    if (await has(mirror, commit)) return;
    const base = ['--git-dir', mirror, 'fetch', '--quiet', '--no-tags', '--force', ...uploadPack(source), ALIAS];
    const attempts = [commit, `+${source.ref}:refs/holdfast/wanted`, '+refs/*:refs/holdfast/all/*'];
    const problems: string[] = [];
    for (const refspec of attempts) {
      try {
        await git([...base, refspec], source, TRANSFER_BOUND_MS);
      } catch (error) {
        problems.push(message(error));
      }
      if (await has(mirror, commit)) return;
    }
    throw new Error(
      `commit ${commit} could not be fetched${problems.length === 0 ? ': the remote does not have it (any more)' : `: ${problems.at(-1)}`}`,
    );
  }

  async function has(mirror: string, commit: string): Promise<boolean> {
    // `^{tree}` with a look into it: a fetch that was killed can leave a commit without its files.
    const output = await plainGit(
      ['--git-dir', mirror, 'rev-list', '--objects', '--missing=print', '--quiet', '-n1', commit],
      LOOKUP_BOUND_MS,
      [0, 128],
    );
    return output.code === 0;
  }

  async function checkOut(mirror: string, commit: string, directory: string): Promise<void> {
    const index = `${directory}.index`;
    await runCommand({
      argv: ['git', '--git-dir', mirror, '--work-tree', directory, 'read-tree', commit],
      env: { ...environment(SAFE_SETTINGS), GIT_INDEX_FILE: index },
      timeout_ms: TRANSFER_BOUND_MS,
    });
    try {
      await runCommand({
        argv: ['git', '--git-dir', mirror, '--work-tree', directory, 'checkout-index', '--all', '--force'],
        cwd: directory,
        env: { ...environment(SAFE_SETTINGS), GIT_INDEX_FILE: index },
        timeout_ms: TRANSFER_BOUND_MS,
      });
    } catch (error) {
      throw await withSpaceLeft(error, directory);
    } finally {
      await files.remove(index);
      await files.remove(`${index}.lock`);
    }
  }

  /** git says which files it could not write, and not why. */
  async function withSpaceLeft(error: unknown, directory: string): Promise<unknown> {
    const free_bytes = await files.freeSpace_bytes(directory);
    if (free_bytes >= SCANT_BYTES) return error;
    return new Error(
      `no space is left for the release: ${Math.floor(free_bytes / 1024)} KiB are free on the file system of ${directory}, look at "df -h ${directory}"; ${message(error)}`,
      { cause: error },
    );
  }

  return { remoteCommit, fetch, checkOut };
}

async function lookUp(source: GitSource, files: FileReader): Promise<Lookup> {
  const direct = await lookUpDirectly(source, files, DIRECT_BOUND_MS).catch(() => undefined);
  if (direct !== undefined) return direct;
  try {
    const patterns = [source.ref, `${source.ref}^{}`];
    const output = await git(['ls-remote', ...uploadPack(source), ALIAS, ...patterns], source, LOOKUP_BOUND_MS);
    return readLookup(output.stdout, source.ref);
  } catch (error) {
    return { error: message(error) };
  }
}

/** Of `git ls-remote`: the exact ref alone counts, since patterns match the ends of names; a tag object gives way to its commit. */
export function readLookup(text: string, ref: string): Lookup {
  const found = new Map(text.split('\n').map((line) => [line.slice(41), line.slice(0, 40)] as const));
  const commit = found.get(`${ref}^{}`) ?? found.get(ref);
  return commit === undefined ? { error: `the repository has no ${ref}` } : { commit };
}

function git(args: readonly string[], source: GitSource, timeout_ms: number): Promise<Output> {
  const alias = [`url.${source.repository}.insteadOf`, ALIAS] as const;
  return runCommand({ argv: ['git', ...args], env: environment([...SAFE_SETTINGS, alias]), timeout_ms });
}

function plainGit(args: readonly string[], timeout_ms: number, okCodes: readonly number[]): Promise<Output> {
  return runCommand({ argv: ['git', ...args], env: environment(SAFE_SETTINGS), timeout_ms, okCodes });
}

function environment(settings: readonly (readonly [string, string])[]): Readonly<Record<string, string>> {
  return {
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes -oConnectTimeout=10',
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  };
}

/** A repository on this host may belong to somebody else; git drops our settings for its own child, so they are said there. */
function uploadPack({ repository }: GitSource): readonly string[] {
  const local = repository.startsWith('/') || repository.startsWith('file://');
  return local ? ['--upload-pack', "git -c safe.directory='*' upload-pack"] : [];
}

function message(error: unknown): string {
  if (error instanceof CommandFailed && error.output !== undefined) return error.output.stderr.trim() || error.message;
  return error instanceof Error ? error.message : String(error);
}

import { stat } from 'node:fs/promises';
import { GitFailed } from './git.ts';

/** A command of git in the repository that has the commits. */
export type RunGit = (args: readonly string[]) => Promise<string>;

/** Each signature is a process of ssh-keygen; a push of more than this is asked for in pieces. */
const MOST_COMMITS = 500;

/**
 * Which commits are accepted: those that are signed with an SSH key of the file (`ssh-keygen(1)`, ALLOWED SIGNERS). It is
 * read anew for every push, so that a key taken out of it is out at once.
 */
export class AllowedSigners {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Looks at every commit that `revision` has and `known` has not; of a first one, where nothing is known, at the tip
   * alone, so that a history from before the rule can be brought. Returns what is wrong; empty: nothing.
   */
  async refusals(revision: string, known: string | undefined, run: RunGit): Promise<readonly string[]> {
    const stats = await stat(this.#file).catch(() => undefined);
    if (stats?.isFile() !== true) {
      return [`no commit can be accepted: the file of allowed signers is not there: ${this.#file}`];
    }
    const commits = await commitsBetween(revision, known, run);
    if (commits.length > MOST_COMMITS) {
      return [`more than ${MOST_COMMITS} new commits, each of whose signatures is looked at: push them in pieces`];
    }
    const refused: string[] = [];
    for (const commit of commits) {
      const why = await this.#verify(commit, run);
      if (why !== undefined) refused.push(why);
    }
    return refused;
  }

  async #verify(commit: string, run: RunGit): Promise<string | undefined> {
    try {
      const settings = [
        'gpg.format=ssh',
        `gpg.ssh.allowedSignersFile=${this.#file}`,
        'gpg.ssh.program=ssh-keygen',
        'gpg.ssh.revocationFile=',
        // A signature of another sort counts for nothing, whatever keys this machine knows.
        'gpg.program=false',
        'gpg.openpgp.program=false',
        'gpg.x509.program=false',
      ];
      await run([...settings.flatMap((setting) => ['-c', setting]), 'verify-commit', commit]);
      return undefined;
    } catch (error) {
      if (!(error instanceof GitFailed) || error.status === null) throw error;
      const who = await run(['show', '--no-patch', '--no-notes', '--format=%h "%s" by %an', commit]);
      const signed = /^gpgsig/m.test(await run(['cat-file', 'commit', commit]));
      return signed
        ? `commit ${who} is signed, but not by an allowed signer`
        : `commit ${who} is not signed: git commit -S, with gpg.format ssh`;
    }
  }
}

async function commitsBetween(revision: string, known: string | undefined, run: RunGit): Promise<readonly string[]> {
  if (known === undefined) return [revision];
  const most = `--max-count=${MOST_COMMITS + 1}`;
  const listed = await run(['rev-list', '--reverse', most, revision, `^${known}`]);
  return listed.split('\n').filter((line) => line !== '');
}

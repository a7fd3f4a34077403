import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { RevisionRow } from '../store/revisions.ts';
import type { Client } from './client.ts';
import { CommandError } from './settings.ts';

const run = promisify(execFile);

const GIT_BOUND_MS = 5_000;
const LOOKED_AT = '500';

/** The whole name of a commit, as git here says, or else by what the controller has been offered. Throws `CommandError`. */
export async function resolveRevision(given: string, client: Client): Promise<string> {
  if (/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(given)) return given;
  const local = await ofGit(given);
  if (local !== undefined) return local;
  if (/^[0-9a-f]{4,}$/.test(given)) {
    const query = { limit: LOOKED_AT };
    const { revisions } = await client.ask<{ revisions: readonly RevisionRow[] }>('GET /v1/revisions', { query });
    const [found, ...more] = revisions.filter(({ revision }) => revision.startsWith(given));
    if (more.length > 0)
      throw new CommandError(`"${given}" is the beginning of more than one revision: give more of it`);
    if (found !== undefined) return found.revision;
  }
  throw new CommandError(
    `neither git here nor the controller knows a revision "${given}"; those that the controller knows: holdfast revisions`,
  );
}

async function ofGit(given: string): Promise<string | undefined> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${given}^{commit}`];
  try {
    const { stdout } = await run('git', args, { timeout: GIT_BOUND_MS });
    return stdout.trim();
  } catch {
    // No repository, no such name, no git.
    return undefined;
  }
}

import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { compileTree } from '../compile/compile.ts';
import { formatIssue } from '../compile/issue.ts';
import { readSecrets } from '../compile/secrets.ts';
import { UsageError } from '../options.ts';
import { readIdentities } from '../secrets/identity.ts';
import { Vault } from '../secrets/vault.ts';
import { readDirectory } from '../source/directory.ts';

export const VALIDATE_HELP = `Usage: holdfast validate [DIRECTORY] [--secrets FILE] [--identity FILE] [--json]

Checks the desired state in DIRECTORY (default: desired-state) without a controller or a host, and prints every issue as
file:line:column and what was expected. Of the secrets in git the names are known; with --identity, a key that can read
them, they are decrypted as well. --secrets is the controller's file outside of git; where there is none of either, any
name of a secret passes.

Exit status: 0 nothing to mend, 1 there are issues, 2 wrong command line.
`;

export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** The exit status. Throws `UsageError`. */
export async function validate(args: readonly string[], { out, err }: Output): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    out(VALIDATE_HELP);
    return 0;
  }
  const [directory = 'desired-state', ...rest] = positionals;
  if (rest.length > 0) throw new UsageError('expected one directory');
  const stats = await stat(directory).catch(() => undefined);
  if (stats?.isDirectory() !== true) throw new UsageError(`${directory} is not a directory`);
  const secrets = values.secrets === undefined ? undefined : await readSecrets(values.secrets);
  const tree = await readDirectory(directory);
  const opened =
    values.identity === undefined
      ? 'names'
      : await new Vault(await readIdentities(values.identity), 'the key').open(tree);
  const { issues, hosts, pending } = compileTree(tree, {
    revision: 'working tree',
    secrets,
    opened,
    facts: new Map(),
    prefix: `${directory.replace(/\/+$/, '')}/`,
  });
  const names = [...hosts.keys(), ...pending.keys()].sort();
  if (values.json === true) {
    out(
      `${JSON.stringify({ valid: issues.length === 0, hosts: names, pending: [...pending.values()], issues }, null, 2)}\n`,
    );
  } else {
    for (const issue of issues) out(`${formatIssue(issue)}\n`);
    const verdict =
      issues.length === 0 ? 'nothing to mend' : `${issues.length} ${issues.length === 1 ? 'issue' : 'issues'}`;
    err(`${names.length} ${names.length === 1 ? 'host' : 'hosts'}, ${verdict}\n`);
  }
  return issues.length === 0 ? 0 : 1;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        secrets: { type: 'string' },
        identity: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

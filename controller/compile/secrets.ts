import { readFile, stat } from 'node:fs/promises';
import { parse } from 'yaml';
import { Secret } from '../../desired-state/schema/secret.ts';
import { isPlainObject } from '../../desired-state/schema/walk.ts';
import { SECRET_NAME } from './names.ts';

export type Secrets = ReadonlyMap<string, Secret>;

/** The secrets file cannot be used; the message never quotes what stands in it. */
export class SecretsError extends Error {
  override readonly name = 'SecretsError';
}

/**
 * Reads a map of names to texts, in YAML or JSON, from a file outside of git. Refuses a file that others than its owner
 * may read. Throws `SecretsError`.
 */
export async function readSecrets(file: string): Promise<Secrets> {
  const stats = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new SecretsError(
      `secrets file ${file}: ${error.code === 'ENOENT' ? 'there is none' : (error.code ?? error.message)}`,
    );
  });
  if (!stats.isFile()) throw new SecretsError(`secrets file ${file}: not a regular file`);
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
    throw new SecretsError(`secrets file ${file}: mode ${mode} lets others read it; run: chmod 600 ${file}`);
  }
  return parseSecrets(file, await readFile(file, 'utf8'));
}

/** Throws `SecretsError`, with the line of what is wrong and not its text. */
export function parseSecrets(file: string, text: string): Secrets {
  let content: unknown;
  try {
    content = parse(text, { prettyErrors: true, logLevel: 'error' });
  } catch (error) {
    const line = /at line (\d+)/.exec(String(error))?.[1] ?? '?';
    throw new SecretsError(`secrets file ${file}: not YAML, see line ${line}`);
  }
  if (content === null || content === undefined) return new Map();
  if (!isPlainObject(content)) throw new SecretsError(`secrets file ${file}: expected a map of names to texts`);
  const secrets = new Map<string, Secret>();
  for (const [name, value] of Object.entries(content)) {
    if (!SECRET_NAME.test(name)) {
      throw new SecretsError(`secrets file ${file}: "${name}" is not a name (letters, digits, "_", "-" and ".")`);
    }
    if (typeof value !== 'string' || value === '') {
      throw new SecretsError(`secrets file ${file}: "${name}" has to be text that is not empty; put numbers in quotes`);
    }
    secrets.set(name, new Secret(value));
  }
  return secrets;
}

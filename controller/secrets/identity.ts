import { mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newIdentity, recipientOf } from './age.ts';

/** A file of private keys as `age-keygen` makes it. */
export interface Identities {
  /** `AGE-SECRET-KEY-1…`, at least one; each is tried. */
  readonly keys: readonly string[];
  /** What the first one reads: `age1…`. Later ones are what was before it. */
  readonly recipient: string;
}

/** The file cannot be used; the message never quotes what stands in it. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
}

/** Throws `IdentityError`. */
export async function readIdentities(path: string): Promise<Identities> {
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new IdentityError(
      error.code === 'ENOENT'
        ? `there is no identity file ${path}; make one: holdfast secret keygen --identity ${path}`
        : `identity file ${path}: ${error.code ?? error.message}`,
    );
  });
  if (!stats.isFile()) throw new IdentityError(`identity file ${path}: not a regular file`);
  if ((stats.mode & 0o077) !== 0) {
    throw new IdentityError(`identity file ${path}: others may read it; run: chmod 600 ${path}`);
  }
  const lines = (await readFile(path, 'utf8')).split('\n').map((line) => line.trim());
  const keys: string[] = [];
  for (const [index, line] of lines.entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const valid = /^AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]+$/.test(line) && (await recipientOf(line).catch(() => undefined));
    if (valid === undefined || valid === false) {
      throw new IdentityError(`identity file ${path}: line ${index + 1} is not a key "AGE-SECRET-KEY-1…"`);
    }
    keys.push(line);
  }
  const [first] = keys;
  if (first === undefined) throw new IdentityError(`identity file ${path}: there is no key in it`);
  return { keys, recipient: await recipientOf(first) };
}

/** Makes a file with a new key, for its owner alone. Throws `IdentityError` where there is one already. */
export async function createIdentity(path: string): Promise<Identities> {
  const key = await newIdentity();
  const recipient = await recipientOf(key);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // `wx`: a key that is overwritten takes everything with it that was encrypted to it.
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new IdentityError(
      error.code === 'EEXIST'
        ? `${path} is there already, and secrets may be encrypted to it`
        : `cannot make ${path}: ${error.message}`,
    );
  });
  try {
    await file.writeFile(`# created: ${new Date().toISOString()}\n# public key: ${recipient}\n${key}\n`);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  return { keys: [key], recipient };
}

/** The controller's own: made at its first start unless the operator gave one. */
export async function controllerIdentities(stateDirectory: string, given: string | undefined): Promise<Identities> {
  if (given !== undefined) return readIdentities(given);
  const path = join(stateDirectory, 'age.key');
  const there = await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
  return there ? readIdentities(path) : createIdentity(path);
}

/** `~/.config/holdfast/identity.txt`, unless the environment says otherwise. */
export function operatorIdentityPath(env: NodeJS.ProcessEnv, home: string): string {
  const given = env['HOLDFAST_IDENTITY_FILE'];
  if (given !== undefined && given !== '') return given;
  const config = env['XDG_CONFIG_HOME'];
  return join(config !== undefined && config !== '' ? config : join(home, '.config'), 'holdfast', 'identity.txt');
}

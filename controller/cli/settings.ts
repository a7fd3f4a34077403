import { mkdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import { UsageError } from '../options.ts';
import { writeFileAtomically } from '../store/atomic-file.ts';
import { parseToken } from '../trust/secret-text.ts';

/** Something went wrong that is no matter of the command line; the message says what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Where the controller is, and by what it and the operator are believed. */
export interface Settings {
  readonly url: URL;
  readonly tokenFile: string;
  /** The certificate of the controller's authority; without it those count that this system trusts. */
  readonly caFile: string | undefined;
}

export interface Given {
  readonly controller?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly caFile?: string | undefined;
}

const text = v.optional(v.string());
const configSchema = v.object({ controller: text, tokenFile: text, caFile: text });

/** What was given on the command line, else by variables, else by `config.json`. */
export async function readSettings(given: Given, env: NodeJS.ProcessEnv): Promise<Settings> {
  const folder = configFolder(env);
  const config = await readConfig(join(folder, 'config.json'));
  const url = given.controller ?? filled(env['HOLDFAST_CONTROLLER']) ?? config.controller;
  if (url === undefined) {
    throw new CommandError('which controller? Run: holdfast login https://CONTROLLER:8470 (or give --controller URL)');
  }
  const inFolder = (path: string | undefined): string | undefined =>
    path === undefined || isAbsolute(path) ? path : join(folder, path);
  return {
    url: parseUrl(url),
    tokenFile:
      given.tokenFile ?? filled(env['HOLDFAST_TOKEN_FILE']) ?? inFolder(config.tokenFile) ?? join(folder, 'token'),
    caFile: given.caFile ?? filled(env['HOLDFAST_CA_FILE']) ?? inFolder(config.caFile),
  };
}

/** A token never goes over plain http. Throws `UsageError`. */
export function parseUrl(given: string): URL {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url?.protocol !== 'https:' || url.username !== '' || url.pathname !== '/' || url.search !== '') {
    throw new UsageError(`the controller's URL is https://HOST:PORT, such as https://holdfast.example.com:8470`);
  }
  return url;
}

/** `$XDG_CONFIG_HOME/holdfast`, or `~/.config/holdfast`. */
export function configFolder(env: NodeJS.ProcessEnv): string {
  return join(filled(env['XDG_CONFIG_HOME']) ?? join(filled(env['HOME']) ?? homedir(), '.config'), 'holdfast');
}

/** Remembers a controller. The files are for their owner alone. */
export async function writeConfig(
  env: NodeJS.ProcessEnv,
  { url, ca, token }: { readonly url: URL; readonly ca: string; readonly token: string },
): Promise<string> {
  const folder = configFolder(env);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFileAtomically(join(folder, 'ca.crt'), ca);
  await writeFileAtomically(join(folder, 'token'), `${token}\n`);
  const config = { controller: url.origin, caFile: 'ca.crt', tokenFile: 'token' };
  await writeFileAtomically(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  return folder;
}

/** Throws `CommandError`, which never quotes what stands in the file. */
export async function readToken(path: string): Promise<string> {
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      error.code === 'ENOENT'
        ? `there is no token in ${path}; run: holdfast login https://CONTROLLER:8470 (or give --token-file FILE)`
        : `the token in ${path} cannot be read: ${error.code ?? error.message}`,
    );
  });
  if (stats.isDirectory()) throw new CommandError(`${path} is a directory, not a file with a token`);
  if (stats.isFile() && (stats.mode & 0o077) !== 0) {
    throw new CommandError(`others may read the token in ${path}; run: chmod 600 ${path}`);
  }
  return tokenIn(await readFile(path, 'utf8'), path);
}

export function tokenIn(content: string, from: string): string {
  const token = content.trim();
  if (parseToken(token) !== undefined) return token;
  const what = token.startsWith('hfj_') ? 'a join token, which is for machines' : 'no token of an operator';
  throw new CommandError(
    `${from}: that is ${what}; expected hf_…, which an administrator makes: holdfast token create`,
  );
}

export async function readCa(path: string): Promise<string> {
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`the controller's authority in ${path} cannot be read: ${error.code ?? error.message}`);
  });
  if (content.includes('-----BEGIN CERTIFICATE-----')) return content;
  throw new CommandError(`${path} holds no certificate in PEM; run: holdfast login https://CONTROLLER:8470`);
}

async function readConfig(path: string): Promise<v.InferOutput<typeof configSchema>> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), configSchema), content);
  if (parsed.success) return parsed.output;
  throw new CommandError(`${path} cannot be understood; mend it, or run: holdfast login https://CONTROLLER:8470`);
}

function filled(given: string | undefined): string | undefined {
  return given === '' ? undefined : given;
}

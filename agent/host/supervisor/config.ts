import { dirname, join, resolve } from 'node:path';
import type { FileReader } from '../files/port.ts';

/** Where supervisord looks for its configuration, in its own order; Debian's package has the last but one. */
const CONFIG_FILES = ['/etc/supervisor/supervisord.conf', '/etc/supervisord.conf'] as const;

/** What the agent needs to know of `supervisord.conf`. */
export interface DaemonConfig {
  readonly file: string;
  readonly socketPath: string;
  readonly username?: string;
  readonly password?: string;
  readonly pidFile: string;
  /** Patterns of `[include] files`, absolute. */
  readonly includes: readonly string[];
}

export async function readDaemonConfig(files: FileReader): Promise<DaemonConfig | undefined> {
  for (const file of CONFIG_FILES) {
    const text = await files.readText(file, { max_bytes: 1_048_576 });
    if (text !== undefined) return parseDaemonConfig(file, text);
  }
  return undefined;
}

/** Parses as supervisor does: sections, `key = value`, comments after white space, continued lines for `files`. Pure. */
export function parseDaemonConfig(file: string, text: string): DaemonConfig {
  const server = readSection(text, 'unix_http_server');
  const pidFile = readSection(text, 'supervisord').get('pidfile') ?? '/var/run/supervisord.pid';
  const includes = (readSection(text, 'include').get('files') ?? '').split(/\s+/).filter((pattern) => pattern !== '');
  const here = (value: string) => value.replaceAll('%(here)s', dirname(file)).replaceAll('%%', '%');
  const username = server.get('username');
  const password = server.get('password');
  return {
    file,
    socketPath: here(server.get('file') ?? '/var/run/supervisor.sock'),
    pidFile: resolve(dirname(file), here(pidFile)),
    ...(username === undefined ? {} : { username: here(username) }),
    ...(password === undefined ? {} : { password: here(password) }),
    includes: includes.map((pattern) => resolve(dirname(file), here(pattern))),
  };
}

function readSection(text: string, name: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  let inside = false;
  let key: string | undefined;
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(/(^|\s)[;#].*$/, '');
    const header = /^\[(?<name>[^\]]+)\]/.exec(line);
    if (header !== null) {
      inside = header.groups?.['name'] === name;
      key = undefined;
    } else if (inside && /^\s+\S/.test(line) && key !== undefined) {
      values.set(key, `${values.get(key) ?? ''}\n${line.trim()}`);
    } else if (inside) {
      const pair = /^(?<key>[^=:\s]+)\s*[=:]\s*(?<value>.*)$/.exec(line);
      key = pair?.groups?.['key']?.toLowerCase();
      if (key !== undefined) values.set(key, (pair?.groups?.['value'] ?? '').trim());
    }
  }
  return values;
}

/** `supervisord.conf` and what it includes, sorted. Patterns may have `*` and `?` in the last part, as everybody writes them. */
export async function configFiles(config: DaemonConfig, files: FileReader): Promise<readonly string[]> {
  const included = await Promise.all(config.includes.map((pattern) => expandPattern(pattern, files)));
  return [config.file, ...new Set(included.flat())].sort();
}

async function expandPattern(pattern: string, files: FileReader): Promise<readonly string[]> {
  const directory = dirname(pattern);
  const last = pattern.slice(directory.length).replace(/^\//, '');
  const expression = new RegExp(
    `^${last
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );
  const names = (await files.list(directory)) ?? [];
  // A shell pattern, and Python's glob with it, leaves names with a leading dot alone.
  return names
    .filter((name) => expression.test(name) && (!name.startsWith('.') || last.startsWith('.')))
    .map((name) => join(directory, name));
}

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { SecretError } from './folder.ts';

const PREFIX = 'holdfast-edit-';
const TMPFS_MAGIC = 0x01021994;

/**
 * Lets the operator edit a text in a file that lies in memory alone, in a folder of its own, where editors leave their own
 * files too. It is removed in every case but `kill -9`; then the next edit removes it. Throws `SecretError`.
 */
export async function editText(name: string, text: string, env: NodeJS.ProcessEnv): Promise<string> {
  const base = await memoryFolder(env);
  await removeStale(base);
  const folder = await mkdtemp(join(base, `${PREFIX}${process.pid}-`));
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clean);
  try {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600, flag: 'wx' });
    await runEditor(env, path, clean);
    return await readFile(path, 'utf8');
  } finally {
    clean();
    process.off('exit', clean);
  }
}

/** Whichever comes first of $XDG_RUNTIME_DIR and /dev/shm and is kept in memory. */
async function memoryFolder(env: NodeJS.ProcessEnv): Promise<string> {
  const candidates = [env['XDG_RUNTIME_DIR'] ?? '', '/dev/shm'].filter((path) => path.startsWith('/'));
  for (const path of candidates) {
    const [stats, system] = await Promise.all([stat(path).catch(nothing), statfs(path).catch(nothing)]);
    if (stats?.isDirectory() === true && system?.type === TMPFS_MAGIC) return path;
  }
  throw new SecretError('there is no folder in memory to edit in: neither $XDG_RUNTIME_DIR nor /dev/shm is a tmpfs');
}

function nothing(): undefined {
  return undefined;
}

async function removeStale(base: string): Promise<void> {
  for (const entry of await readdir(base)) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(entry)?.[1]);
    if (!Number.isInteger(pid) || isAlive(pid)) continue;
    const stats = await stat(join(base, entry)).catch(nothing);
    if (stats?.uid === process.getuid?.()) await rm(join(base, entry), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

const ENDING = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

function runEditor(env: NodeJS.ProcessEnv, path: string, clean: () => void): Promise<void> {
  const command = [env['VISUAL'], env['EDITOR']].find((one) => one !== undefined && one.trim() !== '') ?? 'vi';
  const [program = 'vi', ...args] = command.trim().split(/\s+/);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn(program, [...args, path], { stdio: 'inherit' });
  // Ctrl-C belongs to the editor, which has the terminal.
  const ignore = (): void => undefined;
  const end = (signal: NodeJS.Signals): void => {
    child.kill(signal);
    clean();
    process.exit(128 + constants.signals[signal]);
  };
  process.on('SIGINT', ignore);
  for (const signal of ENDING) process.on(signal, end);
  child.on('error', (error) =>
    reject(new SecretError(`cannot start the editor "${program}": ${error.message}; set $EDITOR`)),
  );
  child.on('exit', (code, signal) => {
    if (code === 0) resolve();
    else reject(new SecretError(`the editor ended with ${code ?? signal}; nothing was changed`));
  });
  return promise.finally(() => {
    process.off('SIGINT', ignore);
    for (const signal of ENDING) process.off(signal, end);
  });
}

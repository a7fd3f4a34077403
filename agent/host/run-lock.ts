import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * The lock that a run holds while it changes the host. It is a `flock` on an open file, which the kernel drops when its
 * holder ends in whatever way: there is no stale lock to clean up. `lslocks` shows it to an operator.
 *
 * Not a socket of the abstract namespace, though that would need no second program: any user of the host could take that
 * name first and keep the agent from ever running.
 */
export interface RunLock {
  release(): Promise<void>;
}

/** Another process changes the host, and went on doing so for longer than we were to wait. */
export class Locked extends Error {
  override readonly name = 'Locked';
}

export interface RunLockOptions {
  /** A file that only root can open. It stays there when nobody holds the lock. */
  readonly path: string;
  /** How long to wait for the holder. */
  readonly wait_ms: number;
}

/** What `flock` exits with when the wait is over. */
const CONFLICT = 75;

/** The descriptor under which `flock` gets our open file. */
const LOCK_FD = 3;

/** Rejects with `Locked`, naming the holder, when the wait is over. */
export async function takeRunLock({ path, wait_ms }: RunLockOptions): Promise<RunLock> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, 'a+', 0o600);
  try {
    const code = await flock(file, wait_ms);
    if (code === CONFLICT) {
      const holder = await readHolder(file);
      throw new Locked(`another run changes this host${holder}; waited ${wait_ms / 1000} s for it to end`);
    }
    if (code !== 0) throw new Error(`flock on ${path} failed with exit code ${code}`);
    await writeHolder(file);
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    async release() {
      await file.truncate(0).catch(() => {});
      await file.close();
    },
  };
}

/** The lock belongs to the open file, which we share with the child: it stays ours after the child's end. */
async function flock(file: FileHandle, wait_ms: number): Promise<number> {
  const wait_s = String(wait_ms / 1000);
  const argv = ['--exclusive', '--wait', wait_s, '--conflict-exit-code', String(CONFLICT), String(LOCK_FD)];
  const child = spawn('flock', argv, { stdio: ['ignore', 'ignore', 'ignore', file.fd] });
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}

/** For people only: the content proves nothing, the lock does. A holder that was killed leaves its number there. */
async function writeHolder(file: FileHandle): Promise<void> {
  try {
    await file.truncate(0);
    await file.appendFile(`${process.pid}\n`);
  } catch {
    // A full disk must not keep a run from mending the host.
  }
}

async function readHolder(file: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(32), 0, 32, 0);
  const pid = buffer.toString('utf8', 0, bytesRead).trim();
  return /^\d+$/.test(pid) && existsSync(`/proc/${pid}`) ? ` (process ${pid})` : '';
}

/** A PostgreSQL 15 of Debian's package in a temporary folder, on the loopback alone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun, runProcess } from '../../test/hosts/process.ts';
import { freePort } from './free-port.ts';

const PROGRAMS = '/usr/lib/postgresql/15/bin';
const START_BOUND_MS = 30_000;

/** Why there can be none on this machine. */
export function whyNoPostgres(): string | undefined {
  if (!existsSync(`${PROGRAMS}/postgres`)) return `${PROGRAMS} is missing: apt-get install postgresql-15`;
  return process.getuid?.() === 0 ? undefined : 'only root may start it as the user postgres';
}

export class BenchPostgres implements AsyncDisposable {
  readonly url: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(url: string, folder: string, child: ChildProcess) {
    this.url = url;
    this.#folder = folder;
    this.#child = child;
  }

  static async start(): Promise<BenchPostgres> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-postgres-'));
    const [uid, gid] = (await mustRun(['sh', '-c', 'id -u postgres; id -g postgres'])).trim().split('\n').map(Number);
    if (uid === undefined || gid === undefined) throw new Error('there is no user postgres');
    const password = randomBytes(16).toString('hex');
    await writeFile(join(folder, 'password'), password, { mode: 0o600 });
    await chown(folder, uid, gid);
    await chown(join(folder, 'password'), uid, gid);
    const data = join(folder, 'data');
    const init = [`${PROGRAMS}/initdb`, '--pgdata', data, '--auth', 'scram-sha-256', '--no-sync', '--encoding', 'UTF8'];
    await mustRun(['runuser', '-u', 'postgres', '--', ...init, '--pwfile', join(folder, 'password')]);
    const port = await freePort();
    const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${folder}`];
    const child = spawn(`${PROGRAMS}/postgres`, ['-D', data, '-p', String(port), ...settings], {
      uid,
      gid,
      cwd: folder,
      stdio: 'ignore',
    });
    const started = new BenchPostgres(`postgres://postgres:${password}@127.0.0.1:${port}/postgres`, folder, child);
    const end = performance.now() + START_BOUND_MS;
    while ((await runProcess([`${PROGRAMS}/pg_isready`, '-q', '-h', '127.0.0.1', '-p', String(port)])).code !== 0) {
      if (performance.now() > end) throw new Error('PostgreSQL does not start');
      await sleep(100);
    }
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => {
        this.#child.once('exit', resolve);
      });
      // Immediate: nothing of it is needed any more.
      this.#child.kill('SIGQUIT');
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

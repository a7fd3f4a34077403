/** A desired state of many hosts with one role, in a repository of its own, and pushes of changes that concern all of them. */
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../test/hosts/process.ts';

const GROUPS = 5;
const DIRECTORIES = 15;
const SYMLINKS = 10;
const FILES = 30;

/** What an ended `git push` was. */
export interface Push {
  readonly code: number | null;
  readonly text: string;
}

export interface PushUnderWay {
  /** By `Date.now()`. */
  readonly began_ms: number;
  /** Resolves with the moment at which the controller had looked at all of it and taken it. Rejects where it was not taken. */
  readonly accepted: Promise<number>;
  readonly ended: Promise<Push>;
  stop(): void;
}

export class FleetRepository {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  static async make(path: string, hosts: readonly string[]): Promise<FleetRepository> {
    const repository = new FleetRepository(path);
    const tree = join(path, 'desired-state');
    for (const folder of ['hosts', 'roles', 'environments']) await mkdir(join(tree, folder), { recursive: true });
    await writeFile(join(tree, 'environments/fleet.yaml'), '{}\n');
    for (const host of hosts) {
      await writeFile(join(tree, `hosts/${host}.yaml`), 'environment: fleet\nroles: [server]\n');
    }
    await repository.#git('init', '--quiet', '--initial-branch=main');
    return repository;
  }

  /** Resolves with the revision; `version` makes another manifest of it for every host. */
  async commit(version: number): Promise<string> {
    await writeFile(join(this.#path, 'desired-state/roles/server.yaml'), role(version));
    await this.#git('add', '--all');
    const author = ['-c', 'user.name=bench', '-c', 'user.email=bench@localhost', '-c', 'commit.gpgSign=false'];
    await this.#git(...author, 'commit', '--quiet', '--message', `version ${version}`);
    return (await this.#git('rev-parse', 'HEAD')).trim();
  }

  /** As an operator on the controller's machine pushes. */
  push(url: string): PushUnderWay {
    const child = spawn('git', ['-C', this.#path, 'push', url, 'HEAD:main'], { stdio: ['ignore', 'pipe', 'pipe'] });
    const began_ms = Date.now();
    const accepted = Promise.withResolvers<number>();
    let text = '';
    const hear = (chunk: Buffer): void => {
      text += chunk.toString('utf8');
      if (/^remote: accepted/m.test(text)) accepted.resolve(Date.now());
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    const ended = new Promise<Push>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        accepted.reject(new Error(`the push was not accepted: ${text.slice(-2000)}`));
        resolve({ code, text });
      });
    });
    accepted.promise.catch(() => undefined);
    return { began_ms, accepted: accepted.promise, ended, stop: () => child.kill('SIGTERM') };
  }

  #git(...args: readonly string[]): Promise<string> {
    return mustRun(['git', '-C', this.#path, ...args]);
  }
}

function role(version: number): string {
  const lines = (count: number, line: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => `  ${line(index)}\n`).join('');
  return [
    `groups:\n${lines(GROUPS, (n) => `group-${n}: { system: true }`)}`,
    `directories:\n${lines(DIRECTORIES, (n) => `/srv/app-${n}: { mode: "0750" }`)}`,
    `symlinks:\n${lines(SYMLINKS, (n) => `/srv/current-${n}: { target: /srv/app-${n} }`)}`,
    `files:\n${lines(FILES, (n) => `/srv/app-${n % DIRECTORIES}/${n}.conf: { content: "# {{host.name}}\\nsetting = ${n}\\n${n === 0 ? `version = ${version}\\n` : ''}" }`)}`,
  ].join('');
}

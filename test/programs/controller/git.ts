import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { good } from '../../unit/compile/tree.ts';

const run = promisify(execFile);

/** A directory that is gone after the test. */
export async function scratch(context: Pick<TestContext, 'after'>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A real repository with a working tree; its commits hold the good tree under `desired-state/` and what is written over it. */
export class TestRepository {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  static async create(context: TestContext): Promise<TestRepository> {
    const repository = new TestRepository(join(await scratch(context), 'repository'));
    await mkdir(repository.path);
    await repository.git('init', '--quiet', '--initial-branch=main');
    await repository.commit(Object.fromEntries(Object.entries(good).map(([path, text]) => [path, String(text)])));
    return repository;
  }

  async git(...args: string[]): Promise<string> {
    const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.com', '-c', 'commit.gpgsign=false'];
    const { stdout } = await run('git', [...identity, ...args], { cwd: this.path });
    return stdout.trim();
  }

  /** Writes files under `desired-state/` and commits; resolves with the revision. */
  async commit(files: Readonly<Record<string, string>>): Promise<string> {
    for (const [path, text] of Object.entries(files)) {
      const full = join(this.path, 'desired-state', path);
      await mkdir(dirname(full), { recursive: true });
      await writeFile(full, text);
    }
    await this.git('add', '--all');
    await this.git('commit', '--quiet', '--allow-empty', '--message', 'test');
    return this.git('rev-parse', 'HEAD');
  }
}

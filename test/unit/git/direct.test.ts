import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { linuxFiles } from '../../../agent/host/files/linux.ts';
import type { FileReader } from '../../../agent/host/files/port.ts';
import { lookUpDirectly } from '../../../agent/host/git/direct.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-git-'));
after(() => rmSync(folder, { recursive: true }));
const repository = join(folder, 'app.git');
const SETTINGS = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'commit.gpgSign=false'];
const git = (...args: readonly string[]): string =>
  execFileSync('git', ['-C', folder, ...SETTINGS, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();

git('init', '-q', '-b', 'master', 'work');
git('-C', 'work', 'commit', '-q', '--allow-empty', '-m', 'one');
git('-C', 'work', 'tag', '-a', '-m', 'x', 'annotated');
git('-C', 'work', 'commit', '-q', '--allow-empty', '-m', 'two');
git('-C', 'work', 'branch', 'other/master', 'HEAD~1');
git('clone', '-q', '--bare', 'work', repository);
const one = git('-C', 'work', 'rev-parse', 'HEAD~1');
const two = git('-C', 'work', 'rev-parse', 'HEAD');

/** The host without the machine's own configuration of git. */
const files: FileReader = {
  ...linuxFiles(),
  readText: async (path) => (path.startsWith(folder) && existsSync(path) ? readFileSync(path, 'utf8') : undefined),
};
const look = (source: string, ref: string): ReturnType<typeof lookUpDirectly> =>
  lookUpDirectly({ repository: source, ref }, files, 5_000);

const DAEMON = ['daemon', '--inetd', '--export-all', `--base-path=${folder}`, folder];
const ENV = { ...process.env, GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' };

/** A git server; one of version 0 does not see that the client can do better. */
async function serve(version: 0 | 2): Promise<{ url: string; close: () => void }> {
  const server = createServer((socket) => {
    socket.once('data', (request: Buffer) => {
      const path = /^....git-upload-pack (?<path>[^\0]*)/.exec(request.toString())?.groups?.['path'] ?? '';
      const args = version === 2 ? DAEMON : ['upload-pack', '--strict', join(folder, path)];
      const child = spawn('git', args, { stdio: ['pipe', 'pipe', 'ignore'], env: ENV });
      for (const stream of [socket, child.stdin, child.stdout]) stream.on('error', () => {});
      if (version === 2) child.stdin.write(request);
      socket.pipe(child.stdin);
      child.stdout.pipe(socket);
    });
  });
  return { url: `git://127.0.0.1:${await portOf(server)}`, close: () => server.close() };
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

void test('a branch of a repository on this host is read from its files, packed or loose', async () => {
  assert.deepEqual(await look(repository, 'refs/heads/master'), { commit: two });
  assert.deepEqual(await look(`file://${repository}`, 'refs/heads/other/master'), { commit: one });
  assert.ok(existsSync(join(repository, 'packed-refs')), 'a clone packs its refs');
  git('--git-dir', repository, 'update-ref', 'refs/heads/master', one);
  assert.deepEqual(await look(repository, 'refs/heads/master'), { commit: one }, 'the loose one counts');
  git('--git-dir', repository, 'pack-refs', '--all', '--prune');
  assert.deepEqual(await look(repository, 'refs/heads/master'), { commit: one });
  git('--git-dir', repository, 'update-ref', 'refs/heads/master', two);
  assert.deepEqual(await look(join(folder, 'work'), 'refs/heads/master'), { commit: two }, 'with a work tree');
});

void test('whatever is out of the ordinary on disk is left to git', async () => {
  git('--git-dir', repository, 'symbolic-ref', 'refs/heads/alias', 'refs/heads/master');
  assert.equal(await look(repository, 'refs/heads/alias'), undefined, 'a symbolic ref');
  assert.equal(await look(repository, 'refs/tags/annotated'), undefined, 'a tag');
  assert.equal(await look(repository, 'refs/heads/none'), undefined, 'a branch that is not there');
  assert.equal(await look(join(folder, 'none.git'), 'refs/heads/master'), undefined, 'no repository');
  git('-C', 'work', 'worktree', 'add', '-q', join(folder, 'tree'), 'other/master');
  assert.equal(await look(join(folder, 'tree'), 'refs/heads/master'), undefined, 'a worktree');
  for (const url of [
    'https://example.org/x.git',
    'ssh://git@example.org/x.git',
    'git@example.org:x.git',
    'file://host/x.git',
  ]) {
    assert.equal(await look(url, 'refs/heads/master'), undefined, url);
  }
});

void test('where git was told to read another address, git is asked', async () => {
  const config = '[url "https://mirror/"]\n\tinsteadOf = git://\n';
  const told: FileReader = {
    ...files,
    readText: async (path) => (path === '/etc/gitconfig' ? config : files.readText(path)),
  };
  assert.equal(await lookUpDirectly({ repository, ref: 'refs/heads/master' }, told, 1_000), undefined);
});

for (const version of [2, 0] as const) {
  void test(`over git://, branches and tags are found by protocol version ${version}`, async () => {
    const { url, close } = await serve(version);
    try {
      const source = `${url}/app.git`;
      assert.deepEqual(await look(source, 'refs/heads/master'), { commit: two });
      assert.deepEqual(await look(source, 'refs/heads/other/master'), { commit: one });
      assert.deepEqual(await look(source, 'refs/tags/annotated'), { commit: one }, 'what the tag stands for');
      assert.equal(await look(source, 'refs/heads/mast'), undefined, 'a prefix is not a name');
      await assert.rejects(look(`${url}/none.git`, 'refs/heads/master'));
    } finally {
      close();
    }
  });
}

void test('a server that is away, silent or another one rejects within the bound', async () => {
  const ref = 'refs/heads/master';
  const away = await serve(2);
  away.close();
  await assert.rejects(look(`${away.url}/app.git`, ref), /ECONNREFUSED/);
  const silent = createServer((socket) => socket.unref());
  const address = `git://127.0.0.1:${await portOf(silent)}/app.git`;
  await assert.rejects(lookUpDirectly({ repository: address, ref }, files, 200), /in time/);
  silent.close();
  const other = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await assert.rejects(look(`git://127.0.0.1:${await portOf(other)}/app.git`, ref), /does not speak/);
  other.close();
});

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { LIMITS } from '../../../../controller/compile/tree.ts';
import { printable } from '../../../../controller/git/hook-socket.ts';
import { type GitBench, startGitBench, WorkTree } from './bench.ts';

/** Nothing of a pushed tree may lie outside of git's object files. */
async function filesOf(bench: GitBench): Promise<readonly string[]> {
  const entries = await readdir(bench.stateDirectory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return paths
    .map((path) => path.slice(bench.stateDirectory.length + 1))
    .filter((path) => !/^desired-state\.git\/(?:objects|logs|refs)\//.test(path))
    .sort();
}

/** Commits a tree that git's own porcelain would not make. */
async function commitTree(
  work: WorkTree,
  entries: readonly (readonly [mode: string, name: string, object: string])[],
): Promise<string> {
  const raw = Buffer.concat(
    entries.map(([mode, name, object]) =>
      Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(object, 'hex')]),
    ),
  );
  const tree = await work.hashed('tree', raw);
  const commit = await work.git('commit-tree', '-p', 'HEAD', '-m', 'hostile', tree);
  await work.git('update-ref', 'HEAD', commit);
  return commit;
}

test('filters, hooks, submodules and attributes of a pushed tree run nothing and are nowhere checked out', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  assert.equal((await work.push(bench.url())).code, 0);
  const before = await filesOf(bench);
  const trap = join(work.path, 'trapped');
  const command = `touch ${trap}`;
  await writeFile(join(work.path, '.gitattributes'), '* filter=trap diff=trap merge=trap export-subst\n');
  await mkdir(join(work.path, 'hooks'));
  await writeFile(join(work.path, 'hooks/post-receive'), `#!/bin/sh\n${command}\n`, { mode: 0o755 });
  await writeFile(join(work.path, '.lfsconfig'), `[lfs]\n\turl = ext::sh -c '${command}'\n`);
  await work.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},module`);
  await writeFile(
    join(work.path, '.gitmodules'),
    '[submodule "module"]\n\tpath = module\n\turl = https://127.0.0.1:1/x.git\n',
  );
  await work.git('add', '.gitattributes', '.gitmodules', '.lfsconfig', 'hooks');
  await work.git('commit', '--quiet', '--message', 'traps');
  const { code, text } = await work.push(bench.url());
  assert.equal(code, 0, text);
  assert.equal(existsSync(trap), false);
  const known = /^desired-state\.git\/refs\//;
  assert.deepEqual(
    (await filesOf(bench)).filter((path) => !known.test(path)),
    before,
  );
});

test('a submodule whose URL is a command is refused by git itself', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  await writeFile(join(work.path, '.gitmodules'), '[submodule "x"]\n\tpath = x\n\turl = -u./trap\n');
  await work.git('add', '.gitmodules');
  await work.git('commit', '--quiet', '--message', 'trap');
  const { code, text } = await work.push(bench.url());
  assert.equal(code, 1);
  assert.match(text, /gitmodulesUrl/);
});

test('links out of the tree are told with their place and followed by nobody', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  const tree = join(work.path, 'desired-state');
  await mkdir(join(tree, 'files'));
  await mkdir(join(tree, 'templates'));
  await symlink('/etc/shadow', join(tree, 'files/shadow'));
  await symlink('../../../../../../etc/passwd', join(tree, 'templates/passwd.mustache'));
  await symlink('../../../.git/config', join(tree, 'files/config'));
  await work.commit({
    'roles/web.yaml': 'files:\n  /etc/a: { source: shadow }\n  /etc/b: { template: passwd.mustache }\n',
  });
  const { code, text, remote } = await work.push(bench.url());
  assert.equal(code, 1);
  const links = remote.filter((line) => line.includes('leads out of the tree'));
  assert.ok(
    links.some((line) => line.startsWith('desired-state/files/shadow:1:1 symbolic link to "/etc/shadow"')),
    text,
  );
  assert.ok(
    links.some((line) => line.startsWith('desired-state/templates/passwd.mustache:1:1 ')),
    text,
  );
  assert.ok(
    links.some((line) => line.startsWith('desired-state/files/config:1:1 ')),
    text,
  );
  assert.doesNotMatch(text, /root:/);
});

test('trees that git would not make: .git, "..", a slash in a name, twice the same name', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  assert.equal((await work.push(bench.url())).code, 0);
  const blob = await work.hashed('blob', Buffer.from('x'));
  for (const [names, complaint] of [
    [['.git'], /hasDotgit/],
    [['.GIT'], /hasDotgit/],
    [['git~1'], /hasDotgit/],
    [['..'], /hasDotdot/],
    [['a/b'], /fullPathname|contains full pathnames|malformed|badTree/i],
    [['a', 'a'], /duplicateEntries/],
  ] as const) {
    const good = await work.git('rev-parse', 'HEAD');
    await commitTree(
      work,
      names.map((name) => ['100644', name, blob] as const),
    );
    const { code, text } = await work.push(bench.url());
    assert.equal(code, 1, `${names.join()}: ${text}`);
    assert.match(text, complaint, names.join());
    await work.git('update-ref', 'HEAD', good);
  }
  assert.equal(bench.fleet.begun.length, 1);
});

test('names with newlines and escape sequences reach the terminal as text', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  await work.commit({ 'roles/we\nb\u001b[31m\u202e.yaml': 'services: {}\n' });
  const { code, text, remote } = await work.push(bench.url());
  assert.equal(code, 1);
  assert.match(remote[0] ?? '', /^desired-state\/roles\/we\\u000ab\\u001b\[31m\\u202e\.yaml:1:1 /);
  assert.equal(text.includes('\u001b'), false);
  assert.equal(printable('a\tb\r\u009b'), 'a\tb\\u000d\\u009b');
});

test('names that differ in their case alone are two files, of which one cannot be a host', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context, { 'hosts/WEB-1.yaml': 'environment: dev\nroles: [web]\n' });
  const { code, remote } = await work.push(bench.url());
  assert.equal(code, 1);
  assert.match(remote[0] ?? '', /^desired-state\/hosts\/WEB-1\.yaml:1:1 "WEB-1" is not a host name/);
});

test('a file that is too large for a desired state is refused by its name and never read', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context, { 'files/large': 'x'.repeat(LIMITS.fileBytes + 1) });
  const { code, remote } = await work.push(bench.url());
  assert.equal(code, 1);
  assert.equal(remote[0], `desired-state/files/large:1:1 larger than ${LIMITS.fileBytes} bytes`);
});

test('of a push that is refused little is written down, whatever it quotes', async (context) => {
  const bench = await startGitBench(context);
  const key = 'x'.repeat(1_000_000);
  const work = await WorkTree.create(context, { 'roles/web.yaml': `? ${key}\n: {}\n` });
  assert.equal((await work.push(bench.url())).code, 1);
  const details = await bench.store.db.selectFrom('audit').select('detail').execute();
  const [kept] = await bench.revisions();
  const { length } = JSON.stringify([kept, details]);
  assert.ok(length < 10_000, `${length} characters`);
});

test('too many files are refused before they are read', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  const blob = await work.hashed('blob', Buffer.from('{}\n'));
  const many = Array.from(
    { length: LIMITS.files + 1 },
    (_, at) => `100644 blob ${blob}\t${String(at).padStart(6, '0')}`,
  );
  const roles = await work.piped(['mktree'], `${many.join('\n')}\n`);
  const desired = await work.piped(['mktree'], `040000 tree ${roles}\troles\n`);
  const root = await work.piped(['mktree'], `040000 tree ${desired}\tdesired-state\n`);
  const commit = await work.git('commit-tree', '-m', 'many', root);
  const { code, remote } = await work.push(bench.url(), `${commit}:refs/heads/main`);
  assert.equal(code, 1);
  assert.equal(remote[0], `the revision holds more than ${LIMITS.files} files: nothing was changed`);
  const [kept] = await bench.revisions();
  assert.deepEqual(
    [kept?.revision, kept?.issues],
    [commit, [{ message: `the revision holds more than ${LIMITS.files} files` }]],
  );
});

test('a pack that is too large is refused, and the service stays up', async (context) => {
  const bench = await startGitBench(context, { http: { body_bytes: 256 * 1024 } });
  const work = await WorkTree.create(context);
  let noise = '';
  for (let at = 0; at < 8000; at += 1) noise += createHash('sha512').update(String(at)).digest('base64');
  const good = await work.git('rev-parse', 'HEAD');
  await work.commit({ 'files/noise': noise });
  const { code, text } = await work.push(bench.url());
  assert.notEqual(code, 0);
  assert.match(text, /413|RPC failed|hung up/);
  assert.deepEqual(bench.fleet.begun, []);
  assert.equal((await work.push(bench.url(), `${good}:refs/heads/main`)).code, 0);
});

test('an object whose content is not what its name says is not taken', async (context) => {
  const bench = await startGitBench(context);
  const work = await WorkTree.create(context);
  const commit = await work.hashed(
    'commit',
    Buffer.from(`tree ${'0'.repeat(40)}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nx\n`),
  );
  const { code } = await work.push(bench.url(), `${commit}:refs/heads/main`);
  assert.notEqual(code, 0);
  const zero = await work.hashed(
    'commit',
    Buffer.from(`tree ${await work.git('rev-parse', 'HEAD^{tree}')}\nauthor a\n\nx\n`),
  );
  const malformed = await work.push(bench.url(), `${zero}:refs/heads/main`);
  assert.notEqual(malformed.code, 0);
  assert.deepEqual(bench.fleet.begun, []);
});

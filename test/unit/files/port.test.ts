import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { linuxFiles } from '../../../agent/host/files/linux.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-files-'));
after(() => rmSync(root, { recursive: true, force: true }));
const files = linuxFiles();
const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const isRoot = owner.uid === 0;
const ownership = { ...owner, mode: 0o640 };

function fresh(): string {
  return mkdtempSync(join(root, 'case-'));
}

describe('reading', () => {
  it('finds nothing below a file, behind a dangling link and behind a link to itself', async () => {
    const dir = fresh();
    writeFileSync(join(dir, 'file'), '');
    symlinkSync('nowhere', join(dir, 'dangling'));
    symlinkSync('loop', join(dir, 'loop'));
    assert.equal(await files.stat(join(dir, 'file/below')), undefined);
    assert.equal(await files.statTarget(join(dir, 'dangling')), undefined);
    assert.equal(await files.statTarget(join(dir, 'loop')), undefined);
    assert.equal(await files.read(join(dir, 'loop')), undefined);
    assert.equal((await files.stat(join(dir, 'loop')))?.type, 'symlink');
    assert.equal(await files.list(join(dir, 'file')), undefined);
    assert.equal(await files.readLink(join(dir, 'file')), undefined);
  });

  it('refuses a FIFO and a directory at once instead of waiting for a writer', async () => {
    const dir = fresh();
    execFileSync('mkfifo', [join(dir, 'fifo')]);
    await assert.rejects(files.read(join(dir, 'fifo')), { code: 'ENOTREGULAR' });
    await assert.rejects(files.hash(join(dir, 'fifo')), { code: 'ENOTREGULAR' });
    await assert.rejects(files.read(dir), { code: 'ENOTREGULAR' });
    await assert.rejects(files.read('/dev/null'), { code: 'ENOTREGULAR' });
  });

  it('reads files of /proc, which say they are empty, and refuses more than the bound', async () => {
    assert.match((await files.readText('/proc/self/status')) ?? '', /^Pid:/m);
    const path = join(fresh(), 'big');
    writeFileSync(path, 'x'.repeat(100));
    await assert.rejects(files.read(path, { max_bytes: 99 }), { code: 'ETOOBIG' });
  });

  it('hashes anew when a file was changed within the same size and with its old mtime put back', async () => {
    const path = join(fresh(), 'file');
    writeFileSync(path, 'one');
    const past = new Date(Date.now() - 60_000);
    utimesSync(path, past, past);
    const first = await files.hash(path);
    writeFileSync(path, 'two');
    utimesSync(path, past, past);
    const second = await files.hash(path);
    assert.notEqual(first, second);
    assert.equal(second, '3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3');
  });

  it('hashes a file larger than one chunk', async () => {
    const path = join(fresh(), 'large');
    writeFileSync(path, Buffer.alloc(3 * 1024 * 1024 + 7));
    const expected = execFileSync('sha256sum', [path], { encoding: 'utf8' }).slice(0, 64);
    assert.equal(await files.hash(path), expected);
  });
});

describe('writing', () => {
  it('sets owner and mode whatever the umask is and leaves nothing else behind', async () => {
    const dir = fresh();
    const umask = process.umask(0o077);
    await files.write(join(dir, 'a'), 'content', { ...owner, mode: 0o666 });
    process.umask(umask);
    assert.equal(lstatSync(join(dir, 'a')).mode & 0o7777, 0o666);
    assert.deepEqual(readdirSync(dir), ['a']);
  });

  it('replaces a symlink and does not write through it', async () => {
    const dir = fresh();
    writeFileSync(join(dir, 'victim'), 'old');
    symlinkSync('victim', join(dir, 'link'));
    await files.write(join(dir, 'link'), 'new', ownership);
    assert.equal(readFileSync(join(dir, 'victim'), 'utf8'), 'old');
    assert.ok(lstatSync(join(dir, 'link')).isFile());
  });

  it('breaks a hard link when the content changes and keeps it when the mode changes', async () => {
    const dir = fresh();
    writeFileSync(join(dir, 'a'), 'old');
    linkSync(join(dir, 'a'), join(dir, 'b'));
    await files.setMode(join(dir, 'a'), 0o600);
    assert.equal(lstatSync(join(dir, 'b')).mode & 0o7777, 0o600);
    await files.write(join(dir, 'a'), 'new', ownership);
    assert.equal(readFileSync(join(dir, 'b'), 'utf8'), 'old');
  });

  it('takes any name a file can have', async () => {
    const dir = fresh();
    for (const name of ['with space', 'quote"\'', 'new\nline', 'ünï-日本', '-rf', '$HOME `id`']) {
      await files.write(join(dir, name), name, ownership);
      assert.equal(await files.readText(join(dir, name)), name);
      await files.remove(join(dir, name));
    }
    assert.deepEqual(readdirSync(dir), []);
  });

  it('leaves nothing behind when the destination is a directory', async () => {
    const dir = fresh();
    mkdirSync(join(dir, 'sub'));
    await assert.rejects(files.write(join(dir, 'sub'), 'x', ownership), /something in the way|is a directory/);
    assert.deepEqual(readdirSync(dir), ['sub']);
  });

  it('says which directory is missing and which parent is a file', async () => {
    const dir = fresh();
    writeFileSync(join(dir, 'file'), '');
    await assert.rejects(files.write(join(dir, 'no/such/file'), 'x', ownership), {
      code: 'ENOENT',
      message: new RegExp(`there is no directory ${dir}/no:`),
    });
    await assert.rejects(files.write(join(dir, 'file/below/x'), 'x', ownership), {
      code: 'ENOTDIR',
      message: new RegExp(`${dir}/file is not a directory`),
    });
  });

  it('refuses to replace what changed since it was seen', async () => {
    const dir = fresh();
    const path = join(dir, 'a');
    await files.write(path, 'one', ownership, { expecting: 'nothing' });
    const seen = await files.stat(path);
    writeFileSync(path, 'by hand');
    await assert.rejects(files.write(path, 'two', ownership, { expecting: seen }), { code: 'ECHANGED' });
    await assert.rejects(files.write(path, 'two', ownership, { expecting: 'nothing' }), { code: 'ECHANGED' });
    await assert.rejects(files.remove(path, { expecting: seen }), { code: 'ECHANGED' });
    assert.equal(readFileSync(path, 'utf8'), 'by hand');
    assert.deepEqual(readdirSync(dir), ['a']);
  });

  it('removes the temporary file of a killed agent and leaves one of a living process alone', async () => {
    const dir = fresh();
    const start = readFileSync('/proc/1/stat', 'latin1').split(') ')[1]?.split(' ')[19];
    writeFileSync(join(dir, '.holdfast-999999999-5-1'), 'left over');
    writeFileSync(join(dir, `.holdfast-1-${start}-1`), 'alive');
    await files.write(join(dir, 'a'), 'x', ownership);
    assert.deepEqual(readdirSync(dir).sort(), [`.holdfast-1-${start}-1`, 'a']);
  });

  it('explains an immutable file', { skip: !isRoot }, async (t) => {
    const dir = fresh();
    const path = join(dir, 'fixed');
    writeFileSync(path, 'x');
    try {
      execFileSync('chattr', ['+i', path], { stdio: 'ignore' });
    } catch {
      t.skip('this file system has no immutable flag');
      return;
    }
    try {
      await assert.rejects(files.write(path, 'y', ownership), { code: 'EPERM', message: /chattr -i/ });
      await assert.rejects(files.remove(path), { code: 'EPERM', message: /lsattr/ });
      assert.deepEqual(readdirSync(dir), ['fixed']);
    } finally {
      execFileSync('chattr', ['-i', path]);
    }
  });

  it('keeps setuid and setgid, which a chown clears, because the mode comes last', { skip: !isRoot }, async () => {
    const path = join(fresh(), 'tool');
    await files.write(path, '#!/bin/true\n', { uid: 65_534, gid: 65_534, mode: 0o6755 });
    assert.equal(lstatSync(path).mode & 0o7777, 0o6755);
    assert.equal(lstatSync(path).uid, 65_534);
  });
});

describe('symlinks in the path', { skip: !isRoot }, () => {
  it('refuses the link of an unprivileged user that leads out of his own directories', async () => {
    const dir = fresh();
    mkdirSync(join(dir, 'etc'));
    mkdirSync(join(dir, 'home'));
    mkdirSync(join(dir, 'home/own'));
    chownSync(join(dir, 'home'), 65_534, 65_534);
    chownSync(join(dir, 'home/own'), 65_534, 65_534);
    for (const [name, target] of Object.entries({ evil: '../etc', good: 'own' })) {
      symlinkSync(target, join(dir, 'home', name));
      lchownSync(join(dir, 'home', name), 65_534, 65_534);
    }
    await assert.rejects(files.write(join(dir, 'home/evil/x'), 'x', ownership), { code: 'EUNSAFE' });
    await assert.rejects(files.setMode(join(dir, 'home/evil/x'), 0o777), { code: 'EUNSAFE' });
    await assert.rejects(files.removeTree(join(dir, 'home/evil/x')), { code: 'EUNSAFE' });
    assert.deepEqual(readdirSync(join(dir, 'etc')), []);
    await files.write(join(dir, 'home/good/x'), 'x', ownership);
    assert.equal(readFileSync(join(dir, 'home/own/x'), 'utf8'), 'x');
  });

  it("follows root's own links, absolute and with ..", async () => {
    const dir = fresh();
    mkdirSync(join(dir, 'a/b'), { recursive: true });
    symlinkSync(join(dir, 'a'), join(dir, 'absolute'));
    symlinkSync('../a/./b/..', join(dir, 'a/relative'));
    await files.write(join(dir, 'absolute/relative/x'), 'x', ownership);
    assert.equal(readFileSync(join(dir, 'a/x'), 'utf8'), 'x');
  });
});

describe('links and trees', () => {
  it('replaces a link in one step and swaps two paths in one step', async () => {
    const dir = fresh();
    await files.link(join(dir, 'current'), 'one');
    await files.link(join(dir, 'current'), 'two');
    assert.equal(readlinkSync(join(dir, 'current')), 'two');
    mkdirSync(join(dir, "a 'quoted"));
    writeFileSync(join(dir, '-b'), 'b');
    await files.exchange(join(dir, "a 'quoted"), join(dir, '-b'));
    assert.equal(readFileSync(join(dir, "a 'quoted"), 'utf8'), 'b');
    assert.ok(lstatSync(join(dir, '-b')).isDirectory());
    await assert.rejects(files.exchange(join(dir, 'none'), join(dir, '-b')), /No such file/);
  });

  it('copies and removes a tree with links, odd names and names that are not UTF-8', async () => {
    const dir = fresh();
    const source = join(dir, 'source');
    mkdirSync(join(source, 'sub'), { recursive: true });
    writeFileSync(join(source, 'sub/file'), 'content', { mode: 0o600 });
    writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff, 0xfe])]), 'x');
    mkdirSync(join(dir, 'outside'));
    writeFileSync(join(dir, 'outside/keep'), '');
    symlinkSync('../outside', join(source, 'link'));
    const past = new Date(1_000_000_000_000);
    utimesSync(join(source, 'sub/file'), past, past);
    await files.copyTree(source, join(dir, 'copy'));
    assert.equal(lstatSync(join(dir, 'copy/sub/file')).mtimeMs, 1_000_000_000_000);
    assert.equal(lstatSync(join(dir, 'copy/sub/file')).mode & 0o777, 0o600);
    assert.equal(readlinkSync(join(dir, 'copy/link')), '../outside');
    await assert.rejects(files.copyTree(source, join(dir, 'copy')), { code: 'EEXIST' });
    await files.removeTree(join(dir, 'copy'));
    await files.removeTree(join(dir, 'copy'));
    await files.removeTree(join(dir, 'not/there'));
    assert.deepEqual(readdirSync(join(dir, 'outside')), ['keep']);
    assert.deepEqual(readdirSync(dir).sort(), ['outside', 'source']);
  });
});

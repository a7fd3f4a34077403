import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { AllowedSigners } from '../../../../controller/git/signatures.ts';
import { SignedSource } from '../../../../controller/git/signed-source.ts';
import { Repository } from '../../../../controller/source/repository.ts';
import { scratch } from '../git.ts';
import { startGitBench, WorkTree } from './bench.ts';

const run = promisify(execFile);

interface Key {
  readonly path: string;
  /** As a line of the file of allowed signers. */
  readonly line: string;
}

async function newKey(context: TestContext, name: string): Promise<Key> {
  const path = join(await scratch(context), name);
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', path]);
  return { path, line: `${name}@example.com namespaces="git" ${await readFile(`${path}.pub`, 'utf8')}` };
}

/** Commits something new, signed with the key where there is one. */
async function commit(work: WorkTree, key?: Key): Promise<string> {
  const signing = key === undefined ? [] : ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${key.path}`];
  const flags = key === undefined ? ['--no-gpg-sign'] : ['--gpg-sign'];
  await work.git(...signing, 'commit', '--quiet', '--allow-empty', ...flags, '--message', 'signed or not');
  return work.git('rev-parse', 'HEAD');
}

test('only what allowed signers have signed is accepted, and every new commit is looked at', async (context) => {
  const [ann, eve] = await Promise.all([newKey(context, 'ann'), newKey(context, 'eve')]);
  const signers = join(await scratch(context), 'allowed-signers');
  await writeFile(signers, ann.line);
  const bench = await startGitBench(context, { allowedSigners: signers });
  const work = await WorkTree.create(context);
  const unsigned = await work.push(bench.url());
  assert.equal(unsigned.code, 1);
  assert.match(unsigned.remote[0] ?? '', /^commit \w+ "test" by Ann is not signed: git commit -S/);
  const [kept] = await bench.revisions();
  assert.deepEqual([kept?.state, kept?.pushedBy, kept?.subject], ['refused', 'token:ann-deploy', 'test']);
  assert.match(kept?.issues[0]?.message ?? '', /is not signed/);
  // The history from before is brought by a tip that is signed.
  await commit(work, ann);
  const first = await work.push(bench.url());
  assert.equal(first.code, 0, first.text);
  const good = await work.git('rev-parse', 'HEAD');
  await commit(work, eve);
  const foreign = await work.push(bench.url());
  assert.equal(foreign.code, 1);
  assert.match(foreign.remote[0] ?? '', /is signed, but not by an allowed signer$/);
  // A good signature at the tip does not cover what is below it.
  await commit(work, ann);
  const covered = await work.push(bench.url());
  assert.equal(covered.code, 1);
  assert.equal(covered.remote.length, 1);
  const preview = await work.push(bench.url(), 'HEAD:preview/x');
  assert.equal(preview.code, 1, 'secrets could be shown by a preview as well');
  await work.git('reset', '--quiet', '--hard', good);
  await commit(work, ann);
  assert.equal((await work.push(bench.url())).code, 0);
  await writeFile(signers, eve.line);
  await commit(work, ann);
  assert.equal((await work.push(bench.url())).code, 1, 'a key that was taken out is out at once');
  await rm(signers);
  const missing = await work.push(bench.url());
  assert.equal(missing.code, 1);
  assert.match(missing.remote[0] ?? '', /file of allowed signers is not there/);
});

test('of a repository that is followed, too, only signed commits are taken, and the last good one stays', async (context) => {
  const ann = await newKey(context, 'ann');
  const signers = join(await scratch(context), 'allowed-signers');
  await writeFile(signers, ann.line);
  const work = await WorkTree.create(context);
  const stateDirectory = join(await scratch(context), 'state');
  const copy = new Repository({ repository: work.path, branch: 'main', directory: 'desired-state', stateDirectory });
  await copy.open();
  const source = new SignedSource(copy, join(stateDirectory, 'repository.git'), new AllowedSigners(signers));
  await assert.rejects(source.fetch(), /revision \w{10} is not taken: commit \w+ "test" by Ann is not signed/);
  const good = await commit(work, ann);
  assert.equal(await source.fetch(), good);
  await commit(work);
  await commit(work, ann);
  await assert.rejects(source.fetch(), /is not taken: commit \w+ "signed or not" by Ann is not signed/);
  await work.git('reset', '--quiet', '--hard', good);
  assert.equal(await source.fetch(), good);
  const next = await commit(work, ann);
  assert.equal(await source.fetch(), next);
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { linuxFiles } from '../../../agent/host/files/linux.ts';
import { linuxGit } from '../../../agent/host/git/linux.ts';

test('who asks at each interval gets an answer of this interval, and not of the last one', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-git-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const commit = (): string => {
    const author = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'commit.gpgSign=false'];
    execFileSync('git', ['-C', folder, ...author, 'commit', '-q', '--allow-empty', '-m', 'x']);
    return execFileSync('git', ['-C', folder, 'rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
  };
  execFileSync('git', ['init', '-q', '-b', 'master', folder]);
  const source = { repository: folder, ref: 'refs/heads/master' };
  const git = linuxGit({ files: linuxFiles() });

  const first = commit();
  assert.deepEqual(await git.remoteCommit(source, 60_000), { commit: first });
  const second = commit();
  assert.deepEqual(await git.remoteCommit(source, 60_000), { commit: first });
  // A timer of one second, and an answer that took a few milliseconds.
  await sleep(950);
  assert.deepEqual(await git.remoteCommit(source, 1000), { commit: second });
});

import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { linuxTrees } from '../../../agent/host/trees/linux.ts';
import type { SealedTree } from '../../../agent/host/trees/port.ts';

async function withTree(use: (tree: SealedTree) => Promise<void>): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'holdfast-trees-'));
  const tree = { root: join(base, 'tree'), seal: join(base, 'seal'), alwaysDepth: 1 };
  try {
    await mkdir(join(tree.root, 'deep', 'er'), { recursive: true });
    for (let at = 0; at < 600; at += 1) await writeFile(join(tree.root, 'deep', 'er', `${at}.py`), `x = ${at}\n`);
    await writeFile(join(tree.root, 'top.py'), 'top\n');
    await symlink('top.py', join(tree.root, 'link'));
    await use(tree);
  } finally {
    await rm(base, { recursive: true });
  }
}

describe('sealed trees', () => {
  it('are unsealed until the seal is written, and intact then', () =>
    withTree(async (tree) => {
      const trees = linuxTrees();
      assert.deepEqual(await trees.verify(tree, 'whole'), { is: 'unsealed' });
      await trees.seal(tree);
      assert.deepEqual(await trees.verify(tree, 'whole'), { is: 'intact' });
    }));

  const breakages: readonly (readonly [string, (root: string) => Promise<unknown>, RegExp])[] = [
    ['content', (root) => writeFile(join(root, 'deep/er/7.py'), 'y = 7\n'), /^deep\/er\/7\.py: content changed$/],
    ['a deletion', (root) => rm(join(root, 'top.py')), /^top\.py: gone$/],
    ['an addition', (root) => writeFile(join(root, 'deep/new.py'), ''), /^deep: entries added or removed$/],
    ['a mode', (root) => chmod(join(root, 'top.py'), 0o600), /^top\.py: mode or type changed$/],
    [
      'a link',
      (root) => rm(join(root, 'link')).then(() => symlink('deep', join(root, 'link'))),
      /^link: content changed$/,
    ],
  ];
  for (const [what, breakIt, detail] of breakages) {
    it(`show ${what} that was changed by hand`, () =>
      withTree(async (tree) => {
        const trees = linuxTrees();
        await trees.seal(tree);
        await breakIt(tree.root);
        const state = await trees.verify(tree, 'whole');
        assert.equal(state.is, 'damaged');
        assert.ok(state.is === 'damaged' && state.details.some((line) => detail.test(line)), JSON.stringify(state));
      }));
  }

  it('bear what leaves their content alone: other times, and what Python keeps beside its modules', () =>
    withTree(async (tree) => {
      const trees = linuxTrees();
      await trees.seal(tree);
      await utimes(join(tree.root, 'top.py'), 1, 1);
      await mkdir(join(tree.root, 'deep', '__pycache__'));
      assert.deepEqual(await trees.verify(tree, 'whole'), { is: 'intact' });
    }));

  it('show every change in the first look of a process, which may be its only one', () =>
    withTree(async (tree) => {
      for (let at = 0; at < 1800; at += 1) await writeFile(join(tree.root, 'deep', `more-${at}.py`), '');
      await linuxTrees().seal(tree);
      for (let at = 0; at < 1800; at += 150) {
        const file = join(tree.root, 'deep', `more-${at}.py`);
        await writeFile(file, 'changed\n');
        assert.equal((await linuxTrees().verify(tree, 'slice')).is, 'damaged', file);
        await writeFile(file, '');
      }
    }));

  it('show a change far from the root after as many looks as there are slices', () =>
    withTree(async (tree) => {
      const trees = linuxTrees();
      await trees.seal(tree);
      for (let look = 0; look < 5; look += 1) assert.equal((await trees.verify(tree, 'slice')).is, 'intact');
      await writeFile(join(tree.root, 'deep/er/599.py'), 'z\n');
      const looks: string[] = [];
      for (let look = 0; look < 3; look += 1) looks.push((await trees.verify(tree, 'slice')).is);
      assert.ok(looks.includes('damaged'), looks.join());
    }));
});

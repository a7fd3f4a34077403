import assert from 'node:assert/strict';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { type GitBench, startGitBench, WorkTree } from '../bench.ts';

interface Case {
  readonly name: string;
  readonly file: string;
  readonly find?: string;
  readonly put?: string;
  readonly content?: string;
  readonly latin1?: string;
  readonly expect: readonly string[];
}

const here = import.meta.dirname;
const cases: readonly Case[] = parse(await readFile(join(here, 'cases.yaml'), 'utf8'));

describe('a broken tree is refused at the push with the file, the line, the column and a hint', () => {
  let bench: GitBench;
  let work: WorkTree;
  const closers: (() => Promise<void> | void)[] = [];
  const context = { after: (close: () => Promise<void> | void) => void closers.push(close) };

  before(async () => {
    bench = await startGitBench(context);
    work = await WorkTree.create(context);
    await restore();
    await work.commit({});
    const good = await work.push(bench.url());
    assert.equal(good.code, 0, good.text);
  });
  after(async () => {
    for (const close of closers) await close();
  });

  async function restore(): Promise<void> {
    const tree = join(work.path, 'desired-state');
    await rm(tree, { recursive: true });
    await cp(join(here, 'base'), tree, { recursive: true });
  }

  for (const one of cases) {
    it(one.name, async () => {
      const before_push = await work.git('rev-parse', 'HEAD');
      await breakIt(join(work.path, 'desired-state', one.file), one);
      await work.commit({}, one.name);
      const { code, text, remote } = await work.push(bench.url());
      assert.equal(code, 1, text);
      const count = `${one.expect.length} ${one.expect.length === 1 ? 'issue' : 'issues'}: nothing was changed`;
      assert.deepEqual(remote, [...one.expect, count]);
      assert.equal(await bench.hosting.repository.fetch(), before_push);
      await work.git('reset', '--quiet', '--hard', before_push);
    });
  }

  it('there are thirty of them, and no host has heard of any', () => {
    assert.ok(cases.length >= 30, String(cases.length));
    assert.equal(bench.fleet.begun.length, 1);
  });
});

async function breakIt(path: string, { find, put, content, latin1 }: Case): Promise<void> {
  if (content !== undefined) {
    await writeFile(path, content);
    return;
  }
  const text = await readFile(path, 'latin1');
  if (latin1 !== undefined) {
    await writeFile(path, `${text}${latin1}`, 'latin1');
    return;
  }
  assert.ok(find !== undefined && put !== undefined && text.includes(find), `${path} has no "${find ?? ''}"`);
  await writeFile(
    path,
    text.replace(find, () => put),
    'latin1',
  );
}

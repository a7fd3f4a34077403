import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Watches } from '../../../agent/daemon/watches.ts';
import type { WatchHint } from '../../../agent/resource.ts';

interface Watched {
  readonly folder: string;
  readonly watches: Watches;
  /** Resolves with the next trigger. */
  readonly next: () => Promise<void>;
}

function start(t: TestContext, hints: (folder: string) => readonly WatchHint[]): Watched {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-watches-'));
  mkdirSync(join(folder, 'tree/sites'), { recursive: true });
  writeFileSync(join(folder, 'tree/sites/todo'), 'one\n');
  let told = Promise.withResolvers<void>();
  const watches = new Watches({ trigger: () => told.resolve(), onProblem: (message) => assert.fail(message) });
  // The watches alone keep no process: without this an await on them would end the test.
  const alive = setInterval(() => {}, 1000);
  t.after(() => {
    clearInterval(alive);
    watches.close();
    rmSync(folder, { recursive: true });
  });
  watches.set(hints(folder));
  return {
    folder,
    watches,
    next: async () => {
      await told.promise;
      told = Promise.withResolvers<void>();
    },
  };
}

test('a file that is written in place is noticed in a folder that is watched with its entries', {
  timeout: 10_000,
}, async (t) => {
  const { folder, next } = start(t, (at) => [{ path: join(at, 'tree/sites'), entries: true }]);
  writeFileSync(join(folder, 'tree/sites/todo'), 'two\n', { flag: 'a' });
  await next();
});

test('a file is noticed when it appears, and when it is replaced by rename', { timeout: 10_000 }, async (t) => {
  const { folder, next } = start(t, (at) => [{ path: join(at, 'tree/new') }]);
  writeFileSync(join(folder, 'tree/other'), 'not asked for\n');
  writeFileSync(join(folder, 'tree/new'), 'one\n');
  await next();
  renameSync(join(folder, 'tree/other'), join(folder, 'tree/new'));
  await next();
});

test('a folder whose parent was replaced is watched in its new place after a refresh', {
  timeout: 10_000,
}, async (t) => {
  const { folder, watches, next } = start(t, (at) => [
    { path: join(at, 'tree'), entries: true },
    { path: join(at, 'tree/sites'), entries: true },
  ]);
  mkdirSync(join(folder, 'shadow/sites'), { recursive: true });
  writeFileSync(join(folder, 'shadow/sites/todo'), 'one\n');
  renameSync(join(folder, 'tree'), join(folder, 'old'));
  renameSync(join(folder, 'shadow'), join(folder, 'tree'));
  await next();
  watches.refresh();
  writeFileSync(join(folder, 'tree/sites/todo'), 'two\n', { flag: 'a' });
  await next();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { survey } from '../../../agent/engine/look.ts';
import type { Node } from '../../../agent/engine/node.ts';
import { inOrder } from '../../../agent/engine/schedule.ts';
import { MemoryHost } from './memory-host.ts';

function node(position: number, kind: string, requires: readonly number[] = []): Node {
  const plan = async () => [];
  return { position, kind, name: String(position), mode: 'enforce', spec: {}, requires, watch: [], plan };
}

/** Lets every visit end by itself and notes how many were under way at once, of all and of one kind. */
async function visitAll(nodes: readonly Node[]): Promise<{ most: number; mostOfOneKind: number; ended: number[] }> {
  const running: Node[] = [];
  const seen = { most: 0, mostOfOneKind: 0, ended: [] as number[] };
  await inOrder(nodes, async (at) => {
    for (const position of at.requires) {
      assert.ok(!nodes.some((other) => other.position === position) || seen.ended.includes(position));
    }
    running.push(at);
    seen.most = Math.max(seen.most, running.length);
    seen.mostOfOneKind = Math.max(seen.mostOfOneKind, running.filter(({ kind }) => kind === at.kind).length);
    await new Promise<void>((resolve) => void setImmediate(resolve));
    running.splice(running.indexOf(at), 1);
    seen.ended.push(at.position);
  });
  return seen;
}

test('independent resources of different kinds are visited side by side, at most four', async () => {
  const seen = await visitAll(['a', 'b', 'c', 'd', 'e', 'f'].map((kind, position) => node(position, kind)));
  assert.equal(seen.most, 4);
  assert.equal(seen.ended.length, 6);
});

test('two resources of one kind are never visited side by side', async () => {
  const seen = await visitAll([node(0, 'a'), node(1, 'a'), node(2, 'b'), node(3, 'a'), node(4, 'b')]);
  assert.deepEqual([seen.most, seen.mostOfOneKind], [2, 1]);
});

test('requirements come first wherever they stand, and ties go by the order of the manifest', async () => {
  const nodes = [node(0, 'a', [3]), node(1, 'a'), node(2, 'a', [0]), node(3, 'a'), node(4, 'a')];
  assert.deepEqual((await visitAll(nodes)).ended, [1, 3, 0, 2, 4]);
});

test('a requirement outside of the visited ones does not hold anybody up', async () => {
  assert.deepEqual((await visitAll([node(5, 'a', [1, 2])])).ended, [5]);
});

test('visiting nobody ends at once', async () => {
  assert.deepEqual((await visitAll([])).ended, []);
});

test('one resource that never answers does not keep the others from being looked at', async () => {
  const never = Promise.withResolvers<never>();
  const silent: Node = { ...node(1, 'b'), plan: () => never.promise };
  const looks = await survey([node(0, 'a'), silent, node(2, 'a')], new MemoryHost().reader, 0, 20);
  const errors = [0, 1, 2].map((position) => looks.get(position)?.error);
  assert.deepEqual([errors[0], errors[2]], [undefined, undefined]);
  assert.match(String(errors[1]), /did not end within/);
});

test('slow looks go on side by side', async () => {
  let running = 0;
  let most = 0;
  const slow = (position: number): Node => ({
    ...node(position, 'a'),
    plan: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => void setImmediate(resolve));
      running -= 1;
      return [];
    },
  });
  await survey(
    Array.from({ length: 40 }, (_, position) => slow(position)),
    new MemoryHost().reader,
    0,
  );
  assert.equal(most, 16);
});

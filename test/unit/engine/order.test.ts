import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requirementsOf } from '../../../agent/engine/order.ts';

interface Case {
  readonly requires?: readonly string[];
  readonly auto?: readonly string[];
}

function orderOf(cases: Readonly<Record<string, Case>>): Readonly<Record<string, readonly string[]>> {
  const names = Object.keys(cases);
  const ref = (name: string) => ({ kind: 'note', name });
  const orderable = Object.entries(cases).map(([name, { requires = [], auto = [] }]) => ({
    ...ref(name),
    requires: requires.map(ref),
    autoRequires: auto.map(ref),
  }));
  const requirements = requirementsOf(orderable);
  return Object.fromEntries(
    names.map((name, at) => [name, (requirements[at] ?? []).map((position) => names[position] ?? '')]),
  );
}

test('declared and derived requirements are joined without duplicates', () => {
  assert.deepEqual(orderOf({ a: { requires: ['b'], auto: ['b', 'c'] }, b: {}, c: {} }), {
    a: ['b', 'c'],
    b: [],
    c: [],
  });
});

test('a derived requirement that the manifest has not, or on itself, is ignored', () => {
  assert.deepEqual(orderOf({ a: { auto: ['x', 'a'] } }), { a: [] });
});

test('a declared requirement that the manifest has not is an error that names both', () => {
  assert.throws(
    () => orderOf({ a: { requires: ['x'] } }),
    /note\/a requires note\/x, which the manifest does not declare/,
  );
});

test('a cycle of declared requirements is an error that names the cycle and nothing else', () => {
  const cases = { out: { requires: ['a'] }, a: { requires: ['b'] }, b: { requires: ['c'] }, c: { requires: ['a'] } };
  assert.throws(() => orderOf(cases), /in a cycle: note\/a → note\/b → note\/c → note\/a$/);
});

test('a resource that requires itself is a cycle', () => {
  assert.throws(() => orderOf({ a: { requires: ['a'] } }), /note\/a → note\/a$/);
});

test('a derived requirement that would close a cycle is left out and the others stay', () => {
  const cases = { a: { requires: ['b'] }, b: { auto: ['a', 'c'] }, c: {} };
  assert.deepEqual(orderOf(cases), { a: ['b'], b: ['c'], c: [] });
});

test('of two derived requirements that contradict each other the first stays', () => {
  assert.deepEqual(orderOf({ a: { auto: ['b'] }, b: { auto: ['a'] } }), { a: ['b'], b: [] });
});

test('a resource that is declared twice is an error', () => {
  const twice = { kind: 'note', name: 'a', requires: [], autoRequires: [] };
  assert.throws(() => requirementsOf([twice, twice]), /note\/a is declared twice/);
});

test('a chain of 20 000 resources is no problem', () => {
  const chain = Array.from({ length: 20_000 }, (_, at) => ({
    kind: 'note',
    name: String(at),
    requires: at === 0 ? [] : [{ kind: 'note', name: String(at - 1) }],
    autoRequires: [],
  }));
  assert.deepEqual(requirementsOf(chain.toReversed())[0], [1]);
});

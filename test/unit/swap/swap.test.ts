import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import type { FileStat } from '../../../agent/host/files/port.ts';
import { describe } from '../../../agent/resources/swap/describe.ts';
import { diff } from '../../../agent/resources/swap/diff.ts';
import { withEntry, withoutEntry } from '../../../agent/resources/swap/fstab.ts';
import { activeArea, type SwapState } from '../../../agent/resources/swap/observe.ts';
import { swap } from '../../../desired-state/schema/swap.ts';

const MIB = 1024 ** 2;
const stat: FileStat = {
  type: 'file',
  mode: 0o600,
  uid: 0,
  gid: 0,
  size_bytes: 512 * MIB,
  links: 1,
  mtime_ms: 0,
  ctime_ms: 0,
  device: 1,
  inode: 2,
};
const FSTAB = 'UUID=1 / ext4 defaults 0 1\n/swap none swap sw 0 0\n';
const right: SwapState = {
  exempt: undefined,
  file: stat,
  active: { priority: -2 },
  formatted: true,
  fstab: FSTAB,
  leftover: false,
};

interface Case {
  readonly name: string;
  readonly entry?: object;
  readonly state: Partial<SwapState>;
  readonly plan: readonly string[];
}

const cases: readonly Case[] = [
  { name: 'a right file needs nothing', state: {}, plan: [] },
  {
    name: 'a blank host',
    state: { file: undefined, active: undefined, formatted: false, fstab: '' },
    plan: ['make a swap file of 512 MiB', 'turn on', 'write /etc/fstab'],
  },
  { name: 'a file that is off', state: { active: undefined }, plan: ['turn on'] },
  {
    name: 'a file of another size',
    state: { file: { ...stat, size_bytes: 256 * MIB } },
    plan: ['make a swap file of 512 MiB (is 256 MiB)', 'turn on'],
  },
  {
    name: 'a file of something else',
    state: { active: undefined, formatted: false },
    plan: ['make a swap file of 512 MiB in place of a file that is no swap area', 'turn on'],
  },
  { name: 'a mode', state: { file: { ...stat, mode: 0o644 } }, plan: ['set mode 0600 (is 0644)'] },
  {
    name: 'a folder in the way',
    state: { file: { ...stat, type: 'directory' }, active: undefined },
    plan: ['make a swap file (a directory is in the way)'],
  },
  {
    name: 'a priority',
    entry: { size: '512M', priority: 5 },
    state: {},
    plan: ['turn off (its priority is -2 and not 5)', 'turn on', 'write /etc/fstab'],
  },
  { name: 'a container', state: { exempt: 'container', file: undefined, active: undefined }, plan: [] },
  {
    name: 'an absent one that is there',
    entry: { ensure: 'absent' },
    state: {},
    plan: ['turn off (declared absent)', 'write /etc/fstab', 'remove the swap file'],
  },
  {
    name: 'an absent one that is not there',
    entry: { ensure: 'absent' },
    state: { file: undefined, active: undefined, fstab: '' },
    plan: [],
  },
  { name: 'a leftover', state: { leftover: true }, plan: ['remove /swap.holdfast, which an interrupted run left'] },
];

for (const { name, entry, state, plan } of cases) {
  test(name, () => {
    const spec = { ...v.parse(swap.entry, entry ?? { size: '512M' }), name: '/swap' };
    const changes = diff(spec, { ...right, ...state });
    assert.deepEqual(
      changes.map((change) => describe(change).summary),
      plan,
    );
  });
}

const tables: readonly [string, string, number | undefined, string][] = [
  ['is added at the end', 'a b\n', undefined, 'a b\n/s none swap sw 0 0\n'],
  ['is added after a line without an end', 'a b', undefined, 'a b\n/s none swap sw 0 0\n'],
  ['is added to nothing', '', 3, '/s none swap sw,pri=3 0 0\n'],
  [
    'that is right in other words stays',
    '/s\tnone\tswap\tdefaults\t0\t0\n',
    undefined,
    '/s\tnone\tswap\tdefaults\t0\t0\n',
  ],
  ['with another priority is put right', '/s none swap sw,pri=1 0 0\n', 3, '/s none swap sw,pri=3 0 0\n'],
  ['that is off is put right', '/s none swap noauto 0 0\n', undefined, '/s none swap sw 0 0\n'],
  [
    'that is there twice is there once',
    '/s none swap sw 0 0\nx\n/s none swap sw 0 0\n',
    undefined,
    '/s none swap sw 0 0\nx\n',
  ],
  ['of another file is left alone', '/s2 none swap sw 0 0\n', undefined, '/s2 none swap sw 0 0\n/s none swap sw 0 0\n'],
  ['in a comment does not count', '#/s none swap sw 0 0\n', undefined, '#/s none swap sw 0 0\n/s none swap sw 0 0\n'],
];
for (const [name, before, priority, after] of tables) {
  test(`a line of fstab ${name}`, () => {
    const entry = { path: '/s', priority };
    assert.equal(withEntry(before, entry), after);
    assert.equal(withEntry(after, entry), after);
    assert.ok(!/^\/s\s/m.test(withoutEntry(after, '/s')));
  });
}

test('an area in use is found by its path, with spaces too, and not when its file was removed', () => {
  const table =
    'Filename\tType\tSize\tUsed\tPriority\n/my\\040swap file 524284 0 -2\n/gone\\040(deleted) file 524284 0 -3\n';
  assert.deepEqual(activeArea(table, '/my swap'), { priority: -2 });
  assert.equal(activeArea(table, '/gone'), undefined);
  assert.equal(activeArea('', '/x'), undefined);
});

test('a size is needed, in mebibytes or gibibytes', () => {
  for (const entry of [{}, { size: '512' }, { size: '1.5G' }, { size: 'lots' }]) {
    assert.match(v.safeParse(swap.entry, entry).issues?.[0]?.message ?? '', /"512M"/);
  }
});

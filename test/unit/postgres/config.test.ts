import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../agent/host/postgres/config-file.ts';
import { editConfig } from '../../../agent/resources/postgres/config-edit.ts';
import { configValue, sameValue } from '../../../agent/resources/postgres/setting-value.ts';
import type { SettingValue } from '../../../desired-state/schema/postgres-names.ts';

const lines: readonly [line: string, name: string, value: string][] = [
  ['work_mem = 4MB', 'work_mem', '4MB'],
  ['Work_Mem 4MB # a comment', 'work_mem', '4MB'],
  ["  listen_addresses='a, b'   ", 'listen_addresses', 'a, b'],
  ["x.y = 'it''s \\'so\\' \\\\ #no'", 'x.y', "it's 'so' \\ #no"],
  ["log_line_prefix = '\\t\\101'", 'log_line_prefix', '\tA'],
  ['deadlock_timeout=1s', 'deadlock_timeout', '1s'],
];
for (const [line, name, value] of lines) {
  void test(`${line} is read as ${value}`, () => {
    assert.deepEqual(parseConfig(line), [{ kind: 'assignment', name, value, line: 0 }]);
  });
}

void test('comments, blank lines and broken lines are no assignments; includes are told apart', () => {
  assert.deepEqual(parseConfig("#a = 1\n\n= 3\na = 'open\ninclude_dir = 'conf.d'"), [
    { kind: 'include_dir', target: 'conf.d', line: 4 },
  ]);
});

const integer = (unit: string) => ({ type: 'integer', unit });
const values: readonly [
  name: string,
  wanted: SettingValue,
  actual: string,
  meaning: { type: string; unit: string | null } | undefined,
  same: boolean,
][] = [
  ['shared_buffers', '128MB', '16384', integer('8kB'), true],
  ['shared_buffers', '129MB', '16384', integer('8kB'), false],
  ['work_mem', '8MB', '8192', integer('kB'), true],
  ['work_mem', 8192, '8MB', integer('kB'), true],
  ['work_mem', '1.5GB', '1572864', integer('kB'), true],
  ['statement_timeout', '2min', '120000', integer('ms'), true],
  ['checkpoint_timeout', '5min', '300', integer('s'), true],
  ['autovacuum_naptime', '1min', '61', integer('s'), false],
  ['random_page_cost', 1.1, '1.1', { type: 'real', unit: null }, true],
  ['max_connections', 100, '0100', { type: 'integer', unit: null }, true],
  ['ssl', true, 'on', { type: 'bool', unit: null }, true],
  ['ssl', 'yes', 'off', { type: 'bool', unit: null }, false],
  ['synchronous_commit', true, 'on', { type: 'enum', unit: null }, true],
  ['wal_level', 'Replica', 'replica', { type: 'enum', unit: null }, true],
  ['listen_addresses', ['localhost', '10.0.0.1'], 'localhost,10.0.0.1', { type: 'string', unit: null }, true],
  ['listen_addresses', 'a, b', 'b,a', { type: 'string', unit: null }, false],
  ['search_path', ['$user', 'public'], '"$user", public', { type: 'string', unit: null }, true],
  ['work_mem', '8MB', '8192kB', undefined, true],
  ['work_mem', '8MB', '8s', undefined, false],
  ['ssl', true, 'yes', undefined, true],
  ['cluster_name', 'Main', 'main', { type: 'string', unit: null }, false],
];
for (const [name, wanted, actual, meaning, same] of values) {
  void test(`${name} ${JSON.stringify(wanted)} ${same ? 'is' : 'is not'} ${actual} (${meaning?.unit ?? meaning?.type ?? 'no server'})`, () => {
    assert.equal(sameValue({ name, wanted, actual, meaning }), same);
  });
}

const spellings: readonly [value: SettingValue, text: string][] = [
  ['128MB', '128MB'],
  [100, '100'],
  [true, 'on'],
  [['localhost', '10.0.0.1'], "'localhost, 10.0.0.1'"],
  ['replica', "'replica'"],
  ["it's \\ so", "'it''s \\\\ so'"],
];
for (const [value, text] of spellings) {
  void test(`${JSON.stringify(value)} is written ${text} and read back`, () => {
    assert.equal(configValue(value), text);
    const [item] = parseConfig(`x = ${text}`);
    assert.ok(item?.kind === 'assignment' && sameValue({ name: 'x', wanted: value, actual: item.value }));
  });
}

const file = (path: string, text: string) => ({
  path,
  text,
  assignments: parseConfig(text).filter((item) => item.kind === 'assignment'),
});
const edit = (texts: Readonly<Record<string, string>>, settings: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    editConfig(
      Object.entries(texts).map(([path, text]) => file(path, text)),
      new Map(Object.entries(settings)),
    ).map(({ path, after }) => [path, after]),
  );

void test('a setting takes the place of its commented-out default', () => {
  assert.deepEqual(edit({ main: 'a = 1\n#work_mem = 4MB # min\nb = 2\n' }, { work_mem: '8MB' }), {
    main: 'a = 1\nwork_mem = 8MB\nb = 2\n',
  });
});
void test('of a setting that stands twice the last line is kept', () => {
  assert.deepEqual(edit({ main: 'a = 1\na = 2' }, { a: '3' }), { main: '#a = 1\na = 3' });
});
void test('a setting that stands nowhere goes to the end', () => {
  assert.deepEqual(edit({ main: 'b = 1' }, { a: '3' }), { main: 'b = 1\na = 3\n' });
});
void test('what overrides it elsewhere becomes a comment, and goes from the file of ALTER SYSTEM', () => {
  const texts = {
    main: 'a = 3\n',
    '/conf.d/zz.conf': 'a = 9\nc = 1\n',
    '/data/postgresql.auto.conf': "# x\na = '8'\n",
  };
  assert.deepEqual(edit(texts, { a: '3' }), {
    '/conf.d/zz.conf': '#a = 9\nc = 1\n',
    '/data/postgresql.auto.conf': '# x\n',
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { renderHba, sameRules, wantedRules } from '../../../agent/resources/postgres/hba.ts';
import { parseHba } from '../../../agent/resources/postgres/hba-parse.ts';
import { hba } from '../../../desired-state/schema/postgres-hba.ts';

const same: readonly [name: string, a: string, b: string][] = [
  ['comments and blanks', '# c\n\nlocal all all peer # x', 'local\tall  all peer'],
  ['a netmask and a prefix', 'host all all 10.0.0.0 255.0.0.0 md5', 'host all all 10.0.0.0/8 md5'],
  ['an IPv6 netmask and a prefix', 'host all all fe80:: ffff:: md5', 'host all all fe80::/16 md5'],
  ['a long and a short IPv6 address', 'host all all 0:0:0:0:0:0:0:1/128 md5', 'host all all ::1/128 md5'],
  ['bits behind the prefix', 'host all all 10.1.2.3/8 md5', 'host all all 10.0.0.0/8 md5'],
  ['the order of names', 'local b,a all peer', 'local a,b all peer'],
  ['needless quotes', 'local "todo" all peer', 'local todo all peer'],
  ['a blank after a comma', 'local a, b all peer', 'local a,b all peer'],
  [
    'quotes within and around an option',
    'local all all ldap ldapprefix="cn=a b"',
    'local all all ldap "ldapprefix=cn=a b"',
  ],
  ['a line that goes on', 'local all \\\n all peer', 'local all all peer'],
];
for (const [name, a, b] of same) {
  void test(`${name} change nothing`, () => {
    assert.ok(
      sameRules(parseHba(a) ?? [], parseHba(b) ?? [assert.fail('not understood')]),
      JSON.stringify(parseHba(a)),
    );
  });
}

const different: readonly [name: string, a: string, b: string][] = [
  ['the order of lines', 'local a a peer\nlocal b b peer', 'local b b peer\nlocal a a peer'],
  ['a quoted keyword', 'local "all" all peer', 'local all all peer'],
  ['another prefix', 'host all all 10.0.0.0/8 md5', 'host all all 10.0.0.0/9 md5'],
  ['another method', 'local all all peer', 'local all all trust'],
  ['capitals', 'local Todo all peer', 'local todo all peer'],
  ['an option', 'local all all peer map=a', 'local all all peer'],
];
for (const [name, a, b] of different) {
  void test(`${name}: that is another rule`, () => {
    assert.ok(!sameRules(parseHba(a) ?? [], parseHba(b) ?? []));
  });
}

void test('a line that is not understood is never taken for the declared file', () => {
  assert.equal(parseHba('local all "all peer'), undefined);
  assert.equal(parseHba('local all'), undefined);
});

const entries = (input: unknown) => v.parse(hba, input);

void test('what is rendered is read back as the same rules', () => {
  const rules = wantedRules(
    entries([
      { type: 'local', method: 'peer' },
      { database: ['To-Do.x', 'a b'], user: 'Odd-"Role', from: ['192.168.33.15', '::1', '10.0.0.0/8'], method: 'md5' },
      { from: 'samenet', method: 'ldap', options: { ldapserver: 'a', ldapprefix: 'cn=a user' } },
    ]),
  );
  assert.ok(sameRules(parseHba(renderHba(rules)) ?? [], rules), renderHba(rules));
});

void test('the rule by which the agent comes in stands first, and once', () => {
  const first = (input: unknown) => renderHba(wantedRules(entries(input))).split('\n')[1];
  assert.match(first([{ type: 'local', method: 'md5' }]) ?? '', /^local\s+all\s+postgres\s+peer$/);
  const own = { type: 'local', user: 'postgres', method: 'peer' };
  assert.equal(wantedRules(entries([own, { type: 'local', method: 'md5' }])).length, 2);
});

void test('a list of no addresses is no line', () => {
  assert.equal(wantedRules(entries([{ from: [], method: 'md5' }])).length, 1);
});

const refused: readonly [name: string, entry: unknown, message: RegExp][] = [
  ['a manifest that keeps the agent out', { type: 'local', user: 'postgres', method: 'reject' }, /keeps the agent out/],
  ['a local entry with addresses', { type: 'local', from: '::1', method: 'md5' }, /no "from"/],
  ['a host entry without addresses', { method: 'md5' }, /who may connect/],
  ['an address that is none', { from: '300.1.1.1', method: 'md5' }, /expected an address/],
  ['an unknown method', { from: '::1', method: 'magic' }, /expected one of trust/],
  ['peer over the network', { from: '::1', method: 'peer' }, /local alone/],
];
for (const [name, entry, message] of refused) {
  void test(`${name} is refused`, () => {
    assert.throws(() => entries([entry]), message);
  });
}

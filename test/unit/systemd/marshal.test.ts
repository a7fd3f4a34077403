import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DBusValue, marshal, unmarshal, unmarshalEntries } from '../../../agent/host/systemd/dbus/marshal.ts';

interface Case {
  readonly name: string;
  readonly signature: string;
  readonly values: readonly DBusValue[];
  /** Little-endian bytes by the specification's rules, in hex, spaces for reading. */
  readonly bytes: string;
  /** What reading gives, where a variant is unwrapped. */
  readonly read?: readonly DBusValue[];
}

const cases: readonly Case[] = [
  { name: 'a byte', signature: 'y', values: [7], bytes: '07' },
  { name: 'a boolean takes four bytes', signature: 'b', values: [true], bytes: '01000000' },
  { name: 'a number is aligned to its size', signature: 'yu', values: [1, 2], bytes: '01 000000 02000000' },
  { name: 'a negative number', signature: 'i', values: [-2], bytes: 'feffffff' },
  { name: 'a 16-bit number', signature: 'yq', values: [1, 0x1234], bytes: '01 00 3412' },
  { name: 'a 64-bit number', signature: 'yt', values: [1, 2 ** 40], bytes: '01 00000000000000 0000000000010000' },
  { name: 'a negative 64-bit number', signature: 'x', values: [-1], bytes: 'ffffffffffffffff' },
  { name: 'a double', signature: 'd', values: [1.5], bytes: '000000000000f83f' },
  { name: 'text with its length and a NUL', signature: 's', values: ['foo'], bytes: '03000000 666f6f00' },
  { name: 'text counts bytes and not characters', signature: 's', values: ['é'], bytes: '02000000 c3a900' },
  { name: 'an object path', signature: 'o', values: ['/a'], bytes: '02000000 2f6100' },
  { name: 'a signature has a length of one byte', signature: 'g', values: ['as'], bytes: '02 617300' },
  {
    name: 'a list of texts',
    signature: 'as',
    values: [['a', 'b']],
    bytes: '0e000000 01000000 6100 0000 01000000 6200',
  },
  { name: 'an empty list of structs is padded to eight', signature: 'a(ss)', values: [[]], bytes: '00000000 00000000' },
  {
    name: 'the padding before the first element does not count',
    signature: 'at',
    values: [[5]],
    bytes: '08000000 00000000 0500000000000000',
  },
  {
    name: 'a struct starts at eight',
    signature: 'y(yu)',
    values: [9, [1, 2]],
    bytes: '09 00000000000000 01 000000 02000000',
  },
  {
    name: 'a variant carries its signature',
    signature: 'v',
    values: [{ signature: 'u', value: 5 }],
    bytes: '01 7500 00 05000000',
    read: [5],
  },
  {
    name: 'a dictionary of variants',
    signature: 'a{sv}',
    values: [[['k', { signature: 'y', value: 3 }]]],
    bytes: '0a000000 00000000 01000000 6b00 01 7900 03',
    read: [[['k', 3]]],
  },
];

for (const { name, signature, values, bytes, read } of cases) {
  const hex = bytes.replaceAll(' ', '');
  test(`${name}: to bytes`, () => assert.equal(marshal(signature, values).toString('hex'), hex));
  test(`${name}: from bytes`, () => {
    assert.deepEqual(unmarshal(signature, Buffer.from(hex, 'hex')), read ?? values);
  });
}

test('big-endian bytes are read too', () => {
  assert.deepEqual(unmarshal('us', Buffer.from('00000001000000026f6b00', 'hex'), 'big'), [1, 'ok']);
});

test('of a dictionary only the wanted entries are read, whatever lies between them', () => {
  const entries: readonly [string, string, DBusValue][] = [
    ['Skipped', 'a(sasbttuii)', [['p', ['a', 'b'], true, 1, 2, 3, 4, 5]]],
    ['Names', 'as', ['x.service', 'y.service']],
    ['Empty', 'a(st)', []],
    ['Byte', 'y', 1],
    ['Path', 'o', '/p'],
    ['Signature', 'g', 'as'],
    ['Pair', '(so)', ['', '/']],
    ['Nested', 'v', { signature: 'ay', value: [1, 2, 3] }],
    ['Flag', 'b', true],
    ['Time', 't', 1_700_000_000_000_000],
    ['Id', 's', 'x.service'],
  ];
  const values = [entries.map(([key, signature, value]) => [key, { signature, value }])];
  const bytes = marshal('a{sv}', values);
  for (const wanted of [['Id'], ['Names', 'Time'], ['Byte', 'Flag', 'Nested'], [], entries.map(([key]) => key)]) {
    const [all] = unmarshal('a{sv}', bytes);
    assert.ok(Array.isArray(all));
    const expected = all.filter((pair) => Array.isArray(pair) && wanted.includes(String(pair[0])));
    assert.deepEqual([...unmarshalEntries(new Set(wanted), bytes)], expected, wanted.join());
  }
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(() => unmarshalEntries(new Set(['Id']), bytes.subarray(0, length)), { name: 'MarshalError' });
  }
});

const refused: readonly [string, () => unknown, RegExp][] = [
  ['a number that does not fit', () => marshal('y', [256]), /does not fit type "y"/],
  ['text where a number belongs', () => marshal('u', ['1']), /needs a number/],
  ['a number where text belongs', () => marshal('s', [1]), /needs text/],
  ['text with a NUL', () => marshal('s', ['a\0b']), /NUL/],
  ['too few values', () => marshal('ss', ['a']), /needs 2 values/],
  ['an unknown type', () => marshal('z', ['a']), /unknown type "z"/],
  ['an open struct', () => marshal('(s', ['a']), /ends too early/],
  ['a signature without end', () => marshal('a'.repeat(100), ['a']), /nests too deep/],
  ['bytes that end in a number', () => unmarshal('u', Buffer.from('0100', 'hex')), /ends too early/],
  ['bytes that end in a text', () => unmarshal('s', Buffer.from('09000000666f', 'hex')), /ends too early/],
  ['a list over the bound', () => unmarshal('ay', Buffer.from('ffffffff', 'hex')), /over the bound/],
  ['a list that overruns its length', () => unmarshal('au', Buffer.from('0200000001000000', 'hex')), /does not end/],
];

for (const [name, act, message] of refused) {
  test(`${name} is refused`, () => assert.throws(act, { name: 'MarshalError', message }));
}

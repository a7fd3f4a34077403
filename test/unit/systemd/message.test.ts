import assert from 'node:assert/strict';
import { test } from 'node:test';
import { marshal } from '../../../agent/host/systemd/dbus/marshal.ts';
import { decodeMessage, encodeCall, messageSize, withSerial } from '../../../agent/host/systemd/dbus/message.ts';
import { typeInterface, unitName, unitPath } from '../../../agent/host/systemd/names.ts';

const call = { destination: 'org.example', path: '/a', interface: 'org.example.I', member: 'Do' };

test('a call reads back as it was written', () => {
  const bytes = encodeCall(7, { ...call, signature: 'sas', body: ['x', ['y', 'z']] });
  assert.equal(messageSize(bytes), bytes.length);
  const { body, entries, ...head } = decodeMessage(bytes);
  assert.throws(() => entries(new Set()), /expected a dictionary/);
  assert.deepEqual(
    { ...head, body: body() },
    {
      type: 'call',
      serial: 7,
      signature: 'sas',
      path: '/a',
      interface: 'org.example.I',
      member: 'Do',
      body: ['x', ['y', 'z']],
    },
  );
});

test('a call without a body has no signature field', () => {
  const bytes = encodeCall(1, call);
  assert.equal(bytes.length % 8, 0);
  assert.deepEqual(decodeMessage(bytes).body(), []);
});

test('the size of a message is known from its first sixteen bytes', () => {
  const bytes = encodeCall(1, { ...call, signature: 's', body: ['some text'] });
  assert.equal(messageSize(bytes.subarray(0, 15)), undefined);
  assert.equal(messageSize(bytes.subarray(0, 16)), bytes.length);
});

test('an error carries its name and the serial that it answers', () => {
  const body = marshal('s', ['no such unit']);
  const fields = [
    [4, { signature: 's', value: 'org.example.Oops' }],
    [5, { signature: 'u', value: 42 }],
    [8, { signature: 'g', value: 's' }],
  ];
  const header = marshal('yyyyuua(yv)', [0x6c, 3, 0, 1, body.length, 9, fields]);
  const message = decodeMessage(Buffer.concat([header, Buffer.alloc((8 - (header.length % 8)) % 8), body]));
  assert.equal(message.type, 'error');
  assert.equal(message.errorName, 'org.example.Oops');
  assert.equal(message.replySerial, 42);
  assert.deepEqual(message.body(), ['no such unit']);
});

test('what is not D-Bus is refused', () => {
  assert.throws(() => messageSize(Buffer.from('HTTP/1.1 400 Bad Request')), { name: 'MarshalError' });
  const huge = Buffer.alloc(16);
  huge[0] = 0x6c;
  huge.writeUInt32LE(0x7fffffff, 4);
  assert.throws(() => messageSize(huge), /over the bound/);
});

const names: readonly [string, string, string, string][] = [
  ['nginx', 'nginx.service', 'nginx_2eservice', 'org.freedesktop.systemd1.Service'],
  ['apt-daily.timer', 'apt-daily.timer', 'apt_2ddaily_2etimer', 'org.freedesktop.systemd1.Timer'],
  [
    'postgresql@15-main',
    'postgresql@15-main.service',
    'postgresql_4015_2dmain_2eservice',
    'org.freedesktop.systemd1.Service',
  ],
  ['9p.socket', '9p.socket', '_39p_2esocket', 'org.freedesktop.systemd1.Socket'],
  ['php8.2-fpm', 'php8.2-fpm.service', 'php8_2e2_2dfpm_2eservice', 'org.freedesktop.systemd1.Service'],
];

for (const [name, unit, label, type] of names) {
  test(`the name ${name} means ${unit}`, () => {
    assert.equal(unitName(name), unit);
    assert.equal(unitPath(unit), `/org/freedesktop/systemd1/unit/${label}`);
    assert.equal(typeInterface(unit), type);
  });
}

test('an encoded call is used again with another serial', () => {
  const asked = { ...call, signature: 's', body: ['x'] };
  const first = encodeCall(1, asked);
  assert.deepEqual(withSerial(first, 0x01020304), encodeCall(0x01020304, asked));
  assert.deepEqual(first, encodeCall(1, asked), 'the first stays as it was');
});

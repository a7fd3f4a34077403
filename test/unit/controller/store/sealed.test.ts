import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { deflateRawSync, gunzipSync } from 'node:zlib';
import { derive, Sealer } from '../../../../controller/store/sealed.ts';

const key = randomBytes(32);
const sealer = new Sealer(key);

test('what is sealed opens with the same key and for the same place alone', () => {
  for (const text of ['', 'ä', 'x'.repeat(1_000_000)]) {
    assert.equal(new Sealer(key).open(sealer.seal(text, 'manifest a'), 'manifest a'), text);
  }
  const sealed = sealer.seal('secret', 'manifest a');
  assert.throws(() => sealer.open(sealed, 'manifest b'), /manifest b: damaged, or sealed with another master key/);
  assert.throws(() => new Sealer(randomBytes(32)).open(sealed, 'manifest a'), /another master key/);
});

test('what was changed, cut short or is of another form is refused, without its text in the message', () => {
  const sealed = sealer.seal('hunter2', 'x');
  for (let index = 0; index < sealed.length; index += 1) {
    const changed = Uint8Array.from(sealed, (byte, at) => (at === index ? byte ^ 1 : byte));
    assert.throws(
      () => sealer.open(changed, 'x'),
      (error: Error) => !error.message.includes('hunter2'),
    );
    assert.throws(() => sealer.open(sealed.subarray(0, index), 'x'), /damaged|unknown form/);
  }
});

test('what was sealed without the frame of gzip opens, too', () => {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', derive(key, 'holdfast seal 1'), nonce);
  cipher.setAAD(Buffer.from('manifest a'));
  const body = Buffer.concat([cipher.update(deflateRawSync('hunter2')), cipher.final()]);
  const sealed = Buffer.concat([Buffer.of(1), nonce, cipher.getAuthTag(), body]);
  assert.equal(sealer.open(sealed, 'manifest a'), 'hunter2');
  assert.throws(() => sealer.open(sealed, 'manifest b'), /manifest b: damaged/);
  assert.equal(gunzipSync(sealer.openPacked(sealed, 'manifest a')).toString(), 'hunter2');
});

test('the same text is sealed differently each time, and keys of different purposes differ', () => {
  assert.notDeepEqual(sealer.seal('a', 'x'), sealer.seal('a', 'x'));
  assert.notDeepEqual(derive(key, 'one'), derive(key, 'two'));
  assert.deepEqual(derive(key, 'one'), derive(key, 'one'));
  assert.equal(sealer.check, new Sealer(key).check);
  assert.ok(!Buffer.from(key).toString('hex').includes(sealer.check));
});

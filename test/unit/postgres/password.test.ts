import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isVerifier, scramVerifier, storedMatches } from '../../../agent/host/postgres/password.ts';

/** Made by PostgreSQL 15: `create role r password 'geheim'`. */
const BY_SERVER =
  'SCRAM-SHA-256$4096:IOvNI0JKuaxS+goLerq/pQ==$26xEy0ItG5Prd8nyshxITGcGgt4y5Bs1zUUpPEhz/EM=:/9llZk1AfvICx/hnE2vYnqoWjsa69YUM8wLneQuxI5Q=';
const MD5 = `md5${'0'.repeat(32)}`;

const cases: readonly [name: string, stored: string, wanted: string, matches: boolean][] = [
  ['the same password', BY_SERVER, 'geheim', true],
  ['another password', BY_SERVER, 'Geheim', false],
  ['the same verifier', BY_SERVER, BY_SERVER, true],
  ['another verifier of the same password', BY_SERVER, scramVerifier('geheim'), false],
  ['a clear password that is stored as md5', MD5, 'geheim', false],
  ['a declared md5 verifier', MD5, MD5, true],
  ['fewer iterations', scramVerifier('x', Buffer.alloc(16), 1000), 'x', true],
  ['a width variant that SASLprep makes one', scramVerifier('ａé'), 'aé', true],
  ['something that is no verifier', 'plain', 'plain', false],
];

for (const [name, stored, wanted, matches] of cases) {
  void test(`${name} ${matches ? 'matches' : 'does not match'}`, () => {
    assert.equal(storedMatches(stored, wanted), matches);
  });
}

void test('a verifier does not hold the password and has a salt of its own', () => {
  const verifier = scramVerifier('geheim');
  assert.ok(isVerifier(verifier) && !verifier.includes('geheim'));
  assert.notEqual(verifier, scramVerifier('geheim'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastify from 'fastify';
import { installAuthentication, tokenOf } from '../../../../controller/trust/authenticate.ts';
import { Failures } from '../../../../controller/trust/failures.ts';
import { judgeMachine, type KnownMachine, parseClaim } from '../../../../controller/trust/machine.ts';
import { mayDo } from '../../../../controller/trust/principal.ts';
import { startTrust } from './support.ts';

const ID = `${'a'.repeat(32)}.${'b'.repeat(32)}`;
const OTHER = `${'c'.repeat(32)}.${'b'.repeat(32)}`;

/** What becomes of a row of requests, by the first letters of their verdicts. */
function verdicts(...starts: readonly string[]): string {
  let known: KnownMachine = { id: ID, starts: [], returns: 0 };
  return starts
    .map((start) => {
      const verdict = judgeMachine(known, { id: start === 'x' ? OTHER : ID, start });
      known = verdict.machine ?? known;
      return verdict.is;
    })
    .join(' ');
}

test('starts follow each other; one late message is no copy, and two that alternate are', () => {
  assert.equal(verdicts('1', '1', '2', '2', '3'), 'first known changed known changed');
  assert.equal(verdicts('1', '2', '1', '2'), 'first changed changed changed');
  assert.equal(verdicts('1', '2', '1', '2', '2'), 'first changed changed changed copy');
  assert.equal(verdicts('1', '2', '1', '1', '3', '3'), 'first changed changed known changed known');
  assert.equal(verdicts('1', 'x', '1'), 'first other known');
});

test('a claim has two parts in hex, a third one where a daemon speaks, and is nothing otherwise', () => {
  assert.deepEqual(parseClaim(ID), { id: ID, start: undefined });
  assert.deepEqual(parseClaim(`${ID}.${'d'.repeat(16)}`), { id: ID, start: 'd'.repeat(16) });
  for (const text of [undefined, '', `${ID}.`, `${ID}.${'D'.repeat(16)}`, `${ID}.${'d'.repeat(99)}`, ['a']]) {
    assert.equal(parseClaim(text), undefined);
  }
});

test('a role includes the ones below it', () => {
  assert.deepEqual(
    (['read', 'deploy', 'admin'] as const).map((role) => [
      mayDo(role, 'read'),
      mayDo(role, 'deploy'),
      mayDo(role, 'admin'),
    ]),
    [
      [true, false, false],
      [true, true, false],
      [true, true, true],
    ],
  );
});

test('a token comes as bearer, or as the password of whoever', () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
  assert.equal(tokenOf('Bearer abc'), 'abc');
  assert.equal(tokenOf('bearer  abc'), 'abc');
  assert.equal(tokenOf(basic('git:abc:d')), 'abc:d');
  for (const header of [undefined, '', 'Bearer', 'Digest abc', basic('git'), basic('git:'), 'Bearer a b']) {
    assert.equal(tokenOf(header), undefined, header);
  }
});

test('failures are limited by address and altogether, and are forgotten with time; nothing grows without bound', () => {
  const clock = { now_ms: 0 };
  const failures = new Failures(() => clock.now_ms);
  const outcomes = Array.from({ length: 12 }, () => failures.count('192.0.2.1'));
  assert.deepEqual(outcomes.slice(8), [undefined, undefined, 6, 6]);
  assert.equal(failures.count('192.0.2.2'), undefined);
  clock.now_ms += 6000;
  assert.equal(failures.count('192.0.2.1'), undefined);
  assert.equal(failures.count('192.0.2.1'), 6);
  for (let index = 0; index < 20_000; index += 1)
    failures.count(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
  assert.equal(failures.size, 10_000);
  assert.equal(failures.count('198.51.100.1'), 6, 'all addresses together have a bound, too');
});

test('who has a /64 of IPv6 is one address', () => {
  const failures = new Failures(() => 0);
  for (let index = 0; index < 10; index += 1) failures.count(`2001:db8:1:2::${index}`);
  assert.equal(failures.count('2001:db8:1:2:ffff:1:2:3'), 6);
  assert.equal(failures.count('2001:db8:1:3::1'), undefined);
});

test('a route that does not say who may use it keeps the controller from starting; so does one for hosts elsewhere', async (context) => {
  const { trust } = await startTrust(context);
  const app = fastify();
  installAuthentication(app, trust);
  assert.throws(() => app.get('/v1/open', async () => 'all of it'), /GET \/v1\/open declares no config\.access/);
  assert.throws(
    () => app.get('/v1/x/:host', { config: { access: 'host' } }, async () => ''),
    /is for hosts, and not below/,
  );
  app.get('/v1/closed', { config: { access: 'read' } }, async () => 'all of it');
  assert.equal((await app.inject('/v1/closed')).statusCode, 401);
  assert.equal((await app.inject({ method: 'HEAD', url: '/v1/closed' })).statusCode, 401);
  await app.close();
});

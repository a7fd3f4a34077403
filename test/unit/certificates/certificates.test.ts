import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import type { FileStat } from '../../../agent/host/files/port.ts';
import { describe } from '../../../agent/resources/certificates/describe.ts';
import { diff } from '../../../agent/resources/certificates/diff.ts';
import { canonicalName } from '../../../agent/resources/certificates/facts.ts';
import type { CertificateState } from '../../../agent/resources/certificates/observe.ts';
import { certificates } from '../../../desired-state/schema/certificates.ts';
import { Secret } from '../../../desired-state/schema/secret.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 22);
const certificate: FileStat = {
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size_bytes: 900,
  links: 1,
  mtime_ms: 0,
  ctime_ms: 0,
  device: 1,
  inode: 2,
};
const facts = {
  commonName: 'web.example',
  names: ['web.example', '::1'],
  validFrom_ms: NOW_MS - 100 * DAY_MS,
  validTo_ms: NOW_MS + 265 * DAY_MS,
  selfSigned: true,
};
const right: CertificateState = {
  now_ms: NOW_MS,
  ids: { uid: 0, gid: 0 },
  certificate,
  key: { ...certificate, mode: 0o600 },
  facts,
  pairMatches: true,
  asDeclared: { certificate: true, key: true },
};
const own = { self_signed: { names: ['Web.Example', '0:0:0:0:0:0:0:1'] } };
const given = { certificate: 'PEM', key: new Secret('KEY') };

const cases: readonly [string, object, Partial<CertificateState>, readonly RegExp[]][] = [
  ['a right pair needs nothing, however its names are written', own, {}, []],
  ['none', own, { certificate: undefined, key: undefined }, [/^make .* \(there is none yet\)$/]],
  ['a key that does not match', own, { pairMatches: false }, [/do not belong together/]],
  ['an end in 30 days', own, { now_ms: facts.validTo_ms - 30 * DAY_MS }, [/\(it expires in 30 days, on 2027-08-14\)$/]],
  ['an end in 31 days', own, { now_ms: facts.validTo_ms - 31 * DAY_MS }, []],
  ['an end that has passed', own, { now_ms: facts.validTo_ms + 1 }, [/\(it expired on 2027-08-14\)$/]],
  ['a start in the future', own, { now_ms: facts.validFrom_ms - 301_000 }, [/\(it is not valid before 2026-/]],
  ['a clock that was set back a little', own, { now_ms: facts.validFrom_ms - 299_000 }, []],
  ['a certificate of an authority', own, { facts: { ...facts, selfSigned: false } }, [/is not self-signed/]],
  ['a name too few', own, { facts: { ...facts, names: ['web.example'] } }, [/it is not for ::1/]],
  [
    'an account that is not there yet',
    { ...own, group: 'later' },
    { ids: { uid: 0, gid: undefined } },
    [/group later/, /group later/],
  ],
  ['a given pair that is there', given, {}, []],
  [
    'a given pair that is not',
    given,
    { certificate: undefined, key: undefined },
    [/^write certificate and key \(there is none yet\)$/],
  ],
  [
    'a given certificate that differs',
    given,
    { asDeclared: { certificate: false, key: true } },
    [/\(the certificate differs from the manifest\)$/],
  ],
  ['a mode', given, { key: { ...certificate, mode: 0o644 } }, [/^set a\.key to mode 0600 \(is 0644\)$/]],
];

for (const [name, entry, state, plan] of cases) {
  test(name, () => {
    const spec = { ...v.parse(certificates.entry, entry), name: 'a' };
    const summaries = diff(spec, { ...right, ...state }).map((change) => describe(change).summary);
    assert.equal(summaries.length, plan.length, summaries.join('\n'));
    plan.forEach((expected, index) => assert.match(summaries[index] ?? '', expected));
  });
}

const refused: readonly [string, object, RegExp][] = [
  ['both kinds at once', { ...own, ...given }, /either "self_signed" or/],
  ['neither kind', {}, /either "self_signed" or/],
  ['a certificate without its key', { certificate: 'PEM' }, /together/],
  ['a key that everybody can read', { ...own, mode: '0644' }, /only owner and group/],
  ['no name', { self_signed: { names: [] } }, /at least one name/],
  ['something that is no name', { self_signed: { names: ['a b'] } }, /DNS name or an IP address/],
  ['a renewal that never ends', { self_signed: { names: ['a'], days: 10 } }, /renewed for ever/],
];
for (const [name, entry, message] of refused) {
  test(`${name} is refused`, () => {
    assert.match(v.safeParse(certificates.entry, entry).issues?.[0]?.message ?? '', message);
  });
}

test('names are compared in one form', () => {
  assert.equal(canonicalName('FE80:0:0:0:0:0:0:1'), 'fe80::1');
  assert.equal(canonicalName('Web.Example'), 'web.example');
  assert.equal(canonicalName('192.0.2.1'), '192.0.2.1');
});

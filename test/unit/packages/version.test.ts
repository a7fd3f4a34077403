import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { compareVersions, matchesVersion } from '../../../agent/resources/packages/version.ts';

const ASCENDING = [
  '0~~',
  '0~~a',
  '0~',
  '0',
  '0+b1',
  '1.0~beta1~svc1-1',
  '1.0~beta1-1',
  '1.0-1',
  '1.0-1+deb12u1',
  '1.0-1.1',
  '1.0-10',
  '1.0a-1',
  '1.0.1-1',
  '1.2-1',
  '1.10-1',
  '001.11-1',
  '5.2.15-2+b7',
  '5.2.15-2+b13',
  '2024.01.01-1',
  '1:0.1-1',
  '2:1.02.185-2',
];

test('versions are ordered as Debian policy orders them, with epochs, tildes and revisions', () => {
  for (const [i, a] of ASCENDING.entries()) {
    for (const [j, b] of ASCENDING.entries()) {
      assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} and ${b}`);
    }
  }
  assert.equal(compareVersions('1.01-1', '1.1-1'), 0);
  assert.equal(compareVersions('1.0', '1.0-0'), 0);
});

test('the order is the one of dpkg itself', () => {
  for (const [index, version] of ASCENDING.entries()) {
    const next = ASCENDING[index + 1];
    if (next !== undefined) execFileSync('dpkg', ['--compare-versions', version, 'lt', next]);
  }
});

const MATCHES: readonly (readonly [version: string, pattern: string, matches: boolean])[] = [
  ['1.22.1-9', '1.22.1-9', true],
  ['1.22.1-9', '1.22.1', false],
  ['1.22.1-9', '1.22.*', true],
  ['1.220.1-9', '1.22.*', false],
  ['1x22.1', '1.22.*', false],
  ['1.22.1+deb12u1', '1.22.1+*', true],
  ['1.22.1', '1.2?.1', true],
  ['1.22.1-9', '>= 1.20, < 1.24', true],
  ['1.24', '>= 1.20, < 1.24', false],
  ['1.24~rc1', '>= 1.20, < 1.24', true],
  ['1.10', '>1.9', true],
  ['1.10', '<< 1.9', false],
  ['1.0', '= 1.0', true],
  ['1.0', '<= 1.0', true],
];

for (const [version, pattern, matches] of MATCHES) {
  test(`${version} ${matches ? 'satisfies' : 'does not satisfy'} "${pattern}"`, () => {
    assert.equal(matchesVersion(version, pattern), matches);
  });
}

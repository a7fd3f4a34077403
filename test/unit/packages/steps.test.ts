import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import type { InstalledPackage } from '../../../agent/host/packages/port.ts';
import { describe as describeChange } from '../../../agent/resources/packages/describe.ts';
import type { Compared, Step } from '../../../agent/resources/packages/state.ts';
import { stepsOf } from '../../../agent/resources/packages/steps.ts';
import { packages } from '../../../desired-state/schema/packages.ts';

function installed(version: string, more: Partial<InstalledPackage> = {}): InstalledPackage {
  return { name: 'pp', architecture: 'amd64', version, want: 'install', status: 'installed', provides: [], ...more };
}

const LISTS = { version: '2.0', versions: ['2.0', '1.2', '1.0'] };

/** The steps for one package `pp`, each as text: its name, and the versions where there are some. */
function steps(declared: unknown, host: Partial<Compared> = {}): readonly string[] {
  const parsed = v.parse(packages.entry, { pp: declared }).packages['pp'];
  assert.ok(parsed !== undefined);
  const one = { installed: undefined, provider: undefined, automatic: false, candidate: LISTS, ...host };
  const all = stepsOf({
    packages: [{ name: 'pp', declared: parsed, ...one }],
    interrupted: false,
    refreshDue_ms: undefined,
  });
  return all.map(stepText);
}

function stepText(step: Step): string {
  if ('reason' in step) return `${step.do}: ${step.reason}`;
  return 'to' in step ? `${step.do} ${step.from ?? '-'} ${step.to ?? '?'}` : step.do;
}

const CASES: readonly (readonly [
  title: string,
  declared: unknown,
  host: Partial<Compared>,
  expected: readonly string[],
])[] = [
  ['present and there', 'present', { installed: installed('1.0') }, []],
  ['present and not there', 'present', {}, ['install - 2.0']],
  [
    'present and only its configuration is there',
    'present',
    { installed: installed('1.0', { status: 'config-files' }) },
    ['install - 2.0'],
  ],
  [
    'present and half configured',
    'present',
    { installed: installed('2.0', { status: 'half-configured' }) },
    ['install 2.0 2.0'],
  ],
  ['present and provided by another', 'present', { provider: 'other' }, []],
  [
    'present, virtual, and provided by nobody',
    'present',
    { candidate: { version: undefined, versions: [] } },
    ['install - ?'],
  ],
  ['present and unknown', 'present', { candidate: 'unknown' }, ['find: no source of this host knows a package pp']],
  ['present and held by hand', 'present', { installed: installed('1.0', { want: 'hold' }) }, []],
  ['present and marked automatic', 'present', { installed: installed('1.0'), automatic: true }, ['mark manual']],
  ['latest and there', 'latest', { installed: installed('2.0') }, []],
  ['latest and older', 'latest', { installed: installed('1.2') }, ['upgrade 1.2 2.0']],
  ['latest and newer than the candidate', 'latest', { installed: installed('3.0') }, []],
  [
    'latest, newer, with consent to go back',
    { ensure: 'latest', allow_downgrade: true },
    { installed: installed('3.0') },
    ['downgrade 3.0 2.0'],
  ],
  ['latest of what no source knows', 'latest', { installed: installed('1.0'), candidate: 'unknown' }, []],
  ['a version that is there', '1.2', { installed: installed('1.2') }, []],
  [
    'wildcards that the installed version satisfies, though a newer one would, too',
    '1.*',
    { installed: installed('1.0') },
    [],
  ],
  ['wildcards, and nothing is there: the newest that matches', '1.*', {}, ['install - 1.2']],
  ['a range', '>= 1.1, < 2', { installed: installed('1.0') }, ['upgrade 1.0 1.2']],
  ['a version that is not known', '9', {}, ['find: no version of pp matches "9"; known are 2.0, 1.2, 1.0']],
  ['absent and there', 'absent', { installed: installed('1.0') }, ['remove']],
  [
    'absent and only its configuration is there',
    'absent',
    { installed: installed('1.0', { status: 'config-files' }) },
    [],
  ],
  [
    'absent with its configuration',
    { ensure: 'absent', purge: true },
    { installed: installed('1.0', { status: 'config-files' }) },
    ['purge'],
  ],
  ['absent and never there', 'absent', {}, []],
  ['held and not held', { held: true }, { installed: installed('1.0') }, ['hold']],
  ['held and not there', { held: true }, {}, ['install - 2.0', 'hold']],
  [
    'held at another version',
    { version: '2.0', held: true },
    { installed: installed('1.0', { want: 'hold' }) },
    ['upgrade 1.0 2.0'],
  ],
  ['not held and held by hand', { held: false }, { installed: installed('1.0', { want: 'hold' }) }, ['unhold']],
  [
    'absent, consenting to a hold',
    { ensure: 'absent', held: false },
    { installed: installed('1.0', { want: 'hold' }) },
    ['remove'],
  ],
];

for (const [title, declared, host, expected] of CASES) {
  test(`${title}: ${expected.length === 0 ? 'nothing to do' : expected.join(', ')}`, () => {
    assert.deepEqual(steps(declared, host), expected);
  });
}

test('a downgrade without consent is refused with the key that consents', () => {
  const [refusal] = steps('1.2', { installed: installed('2.0') });
  assert.match(
    refusal ?? '',
    /^refuse: pp 2\.0 is installed, and 1\.2 would be a downgrade to 1\.2: .*allow_downgrade: true/,
  );
});

for (const wanted of ['2.*', 'latest', 'absent']) {
  test(`what is held by hand is left alone although the manifest wants ${wanted}`, () => {
    const [refusal, ...more] = steps(wanted, { installed: installed('1.0', { want: 'hold' }) });
    assert.match(refusal ?? '', /^refuse: pp is held at 1\.0 by hand/);
    assert.deepEqual(more, []);
  });
}

test('a repair and a refresh come first, and a plan reads like a sentence', () => {
  const parsed = v.parse(packages.entry, { pp: 'latest', qq: 'absent' }).packages;
  const one = { provider: undefined, automatic: false, candidate: LISTS };
  assert.ok(parsed['pp'] !== undefined && parsed['qq'] !== undefined);
  const all = stepsOf({
    packages: [
      { ...one, name: 'pp', declared: parsed['pp'], installed: installed('1.0') },
      { ...one, name: 'qq', declared: parsed['qq'], installed: installed('1.0', { name: 'qq' }) },
    ],
    interrupted: true,
    refreshDue_ms: 26 * 3_600_000,
  });
  assert.deepEqual(describeChange({ spec: { name: 'packages', packages: parsed }, steps: all }), {
    summary:
      'finish what an interrupted dpkg left half done; fetch the package lists (26 h old); upgrade pp; remove qq',
    diff: '-pp 1.0\n+pp 2.0\n-qq 1.0\n',
    hazard: 'destructive',
  });
});

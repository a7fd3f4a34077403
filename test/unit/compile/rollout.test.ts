import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RolloutSettings } from '../../../desired-state/schema/rollout.ts';
import { compile, type Files, good, issuesOf, manifestOf } from './tree.ts';

const withRollout = (text: string): Files => ({ ...good, 'roles/web.yaml': `services:\n  nginx: running\n${text}` });

function settingsOf(files: Files, host: string): RolloutSettings | undefined {
  return compile(files).hosts.get(host)?.rollout;
}

test('without the section a host gets a revision at once, with the others', () => {
  assert.deepEqual(settingsOf(good, 'web-1'), {
    canary: 0,
    batch: '100%',
    hold: 10_000,
    within: 1_800_000,
    freeze: [],
  });
});

test('the section merges like every other: environment, roles, host', () => {
  const files = {
    ...withRollout('rollout: { canary: 1, hold: 30s }\n'),
    'environments/dev.yaml': 'network: 10.0.0.0/8\nrollout: { batch: 25%, hold: 5m }\n',
    'hosts/web-1.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.15\nrollout: { canary: 2 }\n',
  };
  const settings = settingsOf(files, 'web-1');
  assert.deepEqual([settings?.canary, settings?.batch, settings?.hold], [2, '25%', 30_000]);
  const db = settingsOf(files, 'db-1');
  assert.deepEqual([db?.canary, db?.batch, db?.hold], [0, '25%', 300_000]);
});

test('it is no part of the manifest, and changes no ETag', () => {
  const freeze = '{ days: [fri], from: "16:00", to: "06:00", zone: Europe/Berlin, why: weekend }';
  const files = withRollout(`rollout: { canary: 1, freeze: [${freeze}] }\n`);
  assert.equal(compile(files).hosts.get('web-1')?.etag, compile(good).hosts.get('web-1')?.etag);
  assert.deepEqual(manifestOf(files, 'web-1'), manifestOf(good, 'web-1'));
});

test('what is wrong in it is told where it stands', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['rollout:\n  canry: 1\n', ['roles/web.yaml:4:3 unknown key "canry", did you mean "canary"?']],
    ['rollout:\n  canary: -1\n', ['roles/web.yaml:4:11 expected a number of hosts of at least 0']],
    ['rollout:\n  batch: 0%\n', ['roles/web.yaml:4:10 expected a number of hosts or a share such as "25%"']],
    ['rollout:\n  hold: soon\n', ['roles/web.yaml:4:9 expected a duration such as "90s", "15m", "2h" or "7d"']],
    ['rollout:\n  within: 10ms\n', ['roles/web.yaml:4:11 expected at least "1s"']],
    [
      'rollout:\n  freeze:\n    - { days: [fry], why: weekend }\n',
      ['roles/web.yaml:5:16 expected a day of the week, did you mean "fri"?'],
    ],
    ['rollout:\n  freeze:\n    - { days: [fri] }\n', ['roles/web.yaml:5:7 missing key "why"']],
    [
      'rollout:\n  freeze:\n    - { days: [fri], from: 4pm, why: weekend }\n',
      ['roles/web.yaml:5:28 expected a time of the day such as "18:00"'],
    ],
    [
      'rollout:\n  freeze:\n    - { days: [fri], zone: Mars/Base, why: weekend }\n',
      ['roles/web.yaml:5:28 expected a time zone of the IANA database, such as "Europe/Berlin" or "UTC"'],
    ],
    [
      'rollout:\n  freeze:\n    - { from: 2026-12-20, until: 2026-12-01, why: holidays }\n',
      ['roles/web.yaml:5:34 it ends before it begins'],
    ],
  ];
  for (const [text, issues] of cases) assert.deepEqual(issuesOf(withRollout(text)), issues, text);
});

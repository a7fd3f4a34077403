import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frozenBy } from '../../../../controller/rollout/freeze.ts';
import type { Freeze } from '../../../../desired-state/schema/rollout.ts';

const weekend: Freeze = { days: ['fri'], from: '16:00', to: '06:00', zone: 'Europe/Berlin', why: 'weekend' };
const weekdays: Freeze = { days: ['mon', 'wed'], from: '00:00', to: '24:00', zone: 'UTC', why: 'days' };
const holidays: Freeze = { from: '2026-12-20', until: '2027-01-02T08:30', zone: 'Europe/Berlin', why: 'holidays' };

const cases: readonly (readonly [string, Freeze, string, string | undefined])[] = [
  ['a minute before it begins', weekend, '2026-11-27T14:59:59Z', undefined],
  ['when it begins', weekend, '2026-11-27T15:00:00Z', '2026-11-28T05:00:00Z'],
  ['over midnight', weekend, '2026-11-28T04:59:59Z', '2026-11-28T05:00:00Z'],
  ['when it ends', weekend, '2026-11-28T05:00:00Z', undefined],
  ['in summer the hour is another one', weekend, '2026-07-03T14:00:00Z', '2026-07-04T04:00:00Z'],
  ['an hour that is frozen in winter alone', weekend, '2026-07-04T04:30:00Z', undefined],
  ['a whole day', weekdays, '2026-11-23T00:00:00Z', '2026-11-24T00:00:00Z'],
  ['the day between', weekdays, '2026-11-24T12:00:00Z', undefined],
  ['the other day', weekdays, '2026-11-25T23:59:00Z', '2026-11-26T00:00:00Z'],
  ['before the holidays', holidays, '2026-12-19T22:59:59Z', undefined],
  ['in the holidays', holidays, '2026-12-19T23:00:00Z', '2027-01-02T07:30:00Z'],
  ['after the holidays', holidays, '2027-01-02T07:30:00Z', undefined],
];

for (const [name, freeze, at, until] of cases) {
  test(`${freeze.why}: ${name}`, () => {
    const frozen = frozenBy([freeze], Date.parse(at));
    assert.equal(
      frozen === undefined ? undefined : frozen.until_ms,
      until === undefined ? undefined : Date.parse(until),
    );
  });
}

test('a window over the end of the week', () => {
  const sunday: Freeze = { days: ['sun'], from: '22:00', to: '02:00', zone: 'UTC', why: 'night' };
  assert.equal(frozenBy([sunday], Date.parse('2026-11-30T01:00:00Z'))?.until_ms, Date.parse('2026-11-30T02:00:00Z'));
});

test('of several the one that ends last is told', () => {
  assert.equal(frozenBy([weekdays, holidays], Date.parse('2026-12-21T12:00:00Z'))?.why, 'holidays');
  assert.equal(frozenBy([], 0), undefined);
});

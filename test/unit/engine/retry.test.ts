import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BLANK,
  backoff_ms,
  CONVERGED,
  type Memory,
  onNewRevision,
  remember,
  type Verdict,
} from '../../../agent/engine/retry.ts';

const policy = { first_ms: 1000, max_ms: 10_000 };
const failed: Memory = { converged: true, failures: 2, retryAt_ms: 7000, stalledOn: undefined, error: 'no space' };
const stalled: Memory = { converged: true, failures: 0, retryAt_ms: 0, stalledOn: 'a plan', error: 'refused' };

const table: readonly [name: string, before: Memory, verdict: Verdict, after: Memory][] = [
  ['what converged forgets its failures', failed, { is: 'converged' }, CONVERGED],
  ['what converged forgets that it stalled', stalled, { is: 'converged' }, CONVERGED],
  [
    'a first failure waits for the first delay',
    CONVERGED,
    { is: 'failed', error: 'x' },
    { ...CONVERGED, failures: 1, retryAt_ms: 6000, error: 'x' },
  ],
  [
    'a third failure waits for four times that',
    failed,
    { is: 'failed', error: 'y' },
    { ...failed, failures: 3, retryAt_ms: 9000, error: 'y' },
  ],
  [
    'a failure ends a stall',
    stalled,
    { is: 'failed', error: 'x' },
    { ...CONVERGED, failures: 1, retryAt_ms: 6000, error: 'x' },
  ],
  [
    'a stall has no next try',
    failed,
    { is: 'stalled', error: 'z', plan: 'p' },
    { ...CONVERGED, stalledOn: 'p', error: 'z' },
  ],
  ['what was not tried stays as it was', failed, { is: 'not tried' }, failed],
];

for (const [name, before, verdict, after] of table) {
  test(name, () =>
    assert.deepEqual(
      remember(before, verdict, policy, 5000, () => 1),
      after,
    ),
  );
}

test('the delay doubles up to its cap', () => {
  const delays = [1, 2, 3, 4, 5, 6, 1000].map((failures) => backoff_ms(failures, policy, () => 1));
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
});

test('jitter takes up to half of the delay away', () => {
  assert.equal(
    backoff_ms(2, policy, () => 0),
    1000,
  );
  assert.equal(
    backoff_ms(2, policy, () => 0.5),
    1500,
  );
});

test('a new revision ends waiting and stalling', () => {
  assert.deepEqual(onNewRevision(failed, true), CONVERGED);
  assert.deepEqual(onNewRevision(stalled, true), CONVERGED);
});

test('a new declaration has never been converged', () => {
  assert.deepEqual(onNewRevision(failed, false), BLANK);
});

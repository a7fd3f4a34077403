import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orderRules } from '../../../../controller/rollout/order.ts';
import { type HostToPlan, planRollout } from '../../../../controller/rollout/plan.ts';
import { hostToPlan, settings, webs } from './fleet.ts';

function wavesOf(
  hosts: readonly HostToPlan[],
  ...order: Parameters<typeof planRollout>[1][]
): Record<string, string[][]> {
  const { plan, hosts: planned } = planRollout(hosts, order[0]);
  return Object.fromEntries(
    plan.groups.map(({ name, waves }) => [
      name,
      Array.from({ length: waves }, (_, wave) =>
        planned.filter((one) => one.group === name && one.wave === wave).map(({ host }) => host),
      ),
    ]),
  );
}

test('hosts whose manifest means the same are not part of it', () => {
  const { plan, hosts } = planRollout([hostToPlan('web-1', { served: 'new' }), hostToPlan('web-2')]);
  assert.deepEqual([plan.unchanged, hosts.map(({ host }) => host)], [1, ['web-2']]);
  assert.deepEqual(hosts[0], { host: 'web-2', group: 'dev/web', wave: 0, etag: 'new', previous: 'old' });
});

test('canary, then batches, by number and by share', () => {
  assert.deepEqual(wavesOf(webs(5, { canary: 1, batch: 2 })), {
    'dev/web': [['web-1'], ['web-2', 'web-3'], ['web-4', 'web-5']],
  });
  assert.deepEqual(wavesOf(webs(5, { canary: 2, batch: '50%' })), {
    'dev/web': [['web-1', 'web-2'], ['web-3', 'web-4'], ['web-5']],
  });
  assert.deepEqual(wavesOf(webs(3, { batch: '1%' })), { 'dev/web': [['web-1'], ['web-2'], ['web-3']] });
  assert.deepEqual(wavesOf(webs(1, { canary: 3 })), { 'dev/web': [['web-1']] });
  assert.deepEqual(wavesOf([]), {});
});

test('a group is an environment, roles and settings', () => {
  const hosts = [
    hostToPlan('web-1'),
    hostToPlan('web-2', { environment: 'prod' }),
    hostToPlan('web-3', { roles: ['base', 'web'] }),
    hostToPlan('web-4', { settings: settings({ canary: 1 }) }),
    hostToPlan('bare', { roles: [] }),
  ];
  assert.deepEqual(wavesOf(hosts), {
    'dev/-': [['bare']],
    'dev/base+web': [['web-3']],
    'dev/web': [['web-1']],
    'dev/web#2': [['web-4']],
    'prod/web': [['web-2']],
  });
});

test('hosts that are left broken get it first, all of them, and then those that were touched', () => {
  const [one, two, three, four, five] = webs(5, { canary: 1, batch: 1 });
  assert.ok(one && two && three && four && five);
  assert.deepEqual(
    wavesOf([one, { ...two, before: 'touched' }, three, { ...four, before: 'broken' }, { ...five, before: 'broken' }]),
    { 'dev/web': [['web-4', 'web-5'], ['web-2'], ['web-1'], ['web-3']] },
  );
});

test('hosts that answer come before hosts that do not', () => {
  const [one, two] = webs(2, { canary: 1 });
  assert.ok(one && two);
  assert.deepEqual(wavesOf([{ ...one, alive: false }, two]), { 'dev/web': [['web-2'], ['web-1']] });
});

test('within a group those that set a password come first', () => {
  assert.deepEqual(wavesOf(webs(3, { batch: 1 }), [{ before: ['web-3'], after: ['web-1'] }]), {
    'dev/web': [['web-2'], ['web-3'], ['web-1']],
  });
});

test('who uses a password that is new comes after who sets it', () => {
  assert.deepEqual(
    orderRules([
      { host: 'web-1', setsNew: [], uses: ['a', 'other'] },
      { host: 'web-2', setsNew: [], uses: ['a'] },
      { host: 'db-1', setsNew: ['a'], uses: [] },
      { host: 'db-2', setsNew: ['a', 'b'], uses: ['a', 'b'] },
      { host: 'app', setsNew: [], uses: ['b'] },
      { host: 'mail', setsNew: [], uses: ['c'] },
    ]),
    [
      { before: ['db-2'], after: ['app'] },
      { before: ['db-1'], after: ['db-2'] },
      { before: ['db-1', 'db-2'], after: ['web-1', 'web-2'] },
    ],
  );
});

test('hosts that would wait for each other go by name', () => {
  const rules = orderRules([
    { host: 'a', setsNew: ['x'], uses: ['y'] },
    { host: 'b', setsNew: ['y'], uses: ['x'] },
  ]);
  assert.deepEqual(rules, [{ before: ['b'], after: ['a'] }]);
});

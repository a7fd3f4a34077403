import assert from 'node:assert/strict';
import { test } from 'node:test';
import { step, whyWaiting } from '../../../../controller/rollout/step.ts';
import { Fleet, hostToPlan, MINUTE, SECOND, START_MS, settings, webs } from './fleet.ts';

test('without settings all hosts get it at once, and it is done when all are converged', () => {
  const fleet = new Fleet(webs(3));
  assert.equal(fleet.run(), 'running');
  assert.deepEqual(fleet.in('offered'), ['web-1', 'web-2', 'web-3']);
  assert.equal(fleet.report('converged', 'web-1', 'web-3'), 'running');
  assert.equal(fleet.report('converged', 'web-2'), 'done');
});

test('nothing to change is done at once', () => {
  assert.equal(new Fleet([hostToPlan('web-1', { served: 'new' })]).run(), 'done');
});

test('a canary goes first, and the others after it has held', () => {
  const fleet = new Fleet(webs(4, { canary: 1, hold: 30 * SECOND }));
  fleet.run();
  assert.deepEqual(fleet.in('offered'), ['web-1']);
  assert.equal(fleet.report('converged', 'web-1'), 'running');
  assert.deepEqual(fleet.in('waiting').length, 3);
  assert.equal(fleet.last?.nextLook_ms, START_MS + 30 * SECOND);
  fleet.pass(29 * SECOND);
  assert.deepEqual(fleet.in('offered'), []);
  fleet.pass(1 * SECOND);
  assert.deepEqual(fleet.in('offered'), ['web-2', 'web-3', 'web-4']);
  assert.equal(fleet.report('converged', 'web-2', 'web-3', 'web-4'), 'done');
});

test('batches go one after the other; the last one is not held', () => {
  const fleet = new Fleet(webs(5, { batch: 2, hold: SECOND }));
  const waves: (readonly string[])[] = [];
  fleet.run();
  for (let wave = 0; wave < 3; wave += 1) {
    waves.push(fleet.in('offered'));
    fleet.report('converged', ...fleet.in('offered'));
    if (wave < 2) fleet.pass(SECOND);
  }
  assert.deepEqual(waves, [['web-1', 'web-2'], ['web-3', 'web-4'], ['web-5']]);
  assert.equal(fleet.rollout.state, 'done');
});

test('a failure pauses it, and the others stay on what they have', () => {
  const fleet = new Fleet(webs(3, { canary: 1, hold: 0 }));
  fleet.run();
  assert.equal(fleet.report('failed', 'web-1'), 'paused: web-1 failed: services/nginx: no unit');
  assert.equal(fleet.pass(60 * MINUTE), 'paused: web-1 failed: services/nginx: no unit');
  assert.deepEqual(fleet.in('waiting'), ['web-2', 'web-3']);
});

test('a failure that mends itself lets it go on', () => {
  const fleet = new Fleet(webs(2, { canary: 1, hold: SECOND }));
  fleet.run();
  fleet.report('failed', 'web-1');
  fleet.pass(5 * SECOND);
  assert.equal(fleet.report('converging', 'web-1'), 'paused: web-1 failed: services/nginx: no unit');
  assert.equal(fleet.report('converged', 'web-1'), 'running');
  fleet.pass(SECOND);
  assert.deepEqual(fleet.in('offered'), ['web-2']);
});

test('a host that turns bad while it is held, or later, pauses it', () => {
  const fleet = new Fleet(webs(3, { batch: 1, hold: 10 * SECOND }));
  fleet.run();
  fleet.report('converged', 'web-1');
  fleet.pass(5 * SECOND);
  assert.match(fleet.report('failed', 'web-1'), /^paused: web-1 failed: turned bad: services/);
  fleet.report('converged', 'web-1');
  assert.deepEqual(fleet.in('waiting'), ['web-2', 'web-3'], 'the hold begins anew');
  fleet.pass(10 * SECOND);
  fleet.report('converged', 'web-2');
  assert.match(fleet.report('failed', 'web-1'), /^paused/);
});

test('a host that is not converged within the bound has failed', () => {
  const fleet = new Fleet(webs(2, { canary: 1, within: 5 * MINUTE }));
  fleet.run();
  fleet.report('converging', 'web-1');
  assert.equal(fleet.pass(5 * MINUTE - 1), 'running');
  assert.equal(fleet.pass(1), 'paused: web-1 failed: not converged within 5 min');
  assert.equal(fleet.report('converged', 'web-1'), 'running', 'late is better than never');
});

test('a report on another manifest says nothing', () => {
  const fleet = new Fleet(webs(1));
  fleet.run();
  fleet.facts.set('web-1', {
    seen_ms: fleet.now_ms,
    report: { at_ms: fleet.now_ms, current: false, outcome: 'failed', why: 'of the old revision' },
  });
  assert.equal(fleet.run(), 'running');
  assert.deepEqual(fleet.in('offered'), ['web-1']);
});

test('a host that does not call is not waited for, as long as others prove the revision', () => {
  const fleet = new Fleet(webs(4, { batch: 2, hold: 0 }));
  fleet.run();
  fleet.report('converged', 'web-2');
  assert.equal(fleet.pass(3 * MINUTE, ['web-1']), 'running');
  assert.deepEqual(fleet.in('offered'), ['web-1']);
  fleet.pass(SECOND, ['web-1']);
  assert.deepEqual(fleet.in('offered'), ['web-1', 'web-3', 'web-4']);
  assert.equal(fleet.report('converged', 'web-3', 'web-4'), 'done: will get it when they call: web-1');
});

test('a host that has called since it was offered the revision and is silent then has failed in the end', () => {
  const fleet = new Fleet(webs(2, { canary: 1, within: 10 * MINUTE }));
  fleet.run();
  fleet.pass(SECOND);
  assert.equal(fleet.pass(9 * MINUTE, ['web-1']), 'running');
  assert.match(fleet.pass(MINUTE, ['web-1']), /^paused: web-1 failed: not converged within 10 min/);
});

test('a wave in which nobody answers opens no other: the network may be what is broken', () => {
  const fleet = new Fleet(webs(2, { batch: 1, hold: 0 }));
  fleet.run();
  assert.equal(fleet.pass(60 * MINUTE, ['web-1', 'web-2']), 'running');
  assert.deepEqual(fleet.in('waiting'), ['web-2']);
  fleet.pass(SECOND);
  assert.equal(fleet.report('converged', 'web-1'), 'running');
  assert.deepEqual(fleet.in('offered'), ['web-2']);
});

test('hosts without a machine yet keep nobody waiting', () => {
  const fleet = new Fleet([...webs(2, { batch: 1, hold: 0 })]);
  fleet.facts.set('web-1', {});
  fleet.run();
  assert.deepEqual(fleet.in('offered'), ['web-1', 'web-2']);
  assert.equal(fleet.report('converged', 'web-2'), 'done: will get it when they call: web-1');
});

test('after a start hosts are given their time before they count as silent', () => {
  const fleet = new Fleet(webs(2, { batch: 1, hold: 0 }));
  fleet.run();
  fleet.now_ms += 60 * MINUTE; // the controller was away
  fleet.listening_ms = fleet.now_ms;
  fleet.rollout.plan.groups.forEach((group) => Object.assign(group, { within: 120 * MINUTE }));
  fleet.run();
  assert.equal(fleet.rows[0]?.why, null);
  fleet.now_ms += 3 * MINUTE + 1;
  fleet.run();
  assert.equal(fleet.rows[0]?.why, 'its agent does not call');
});

test('a paused host is not waited for', () => {
  const fleet = new Fleet(webs(3, { batch: 2, hold: 0 }));
  fleet.run();
  const report = {
    at_ms: fleet.now_ms,
    current: true,
    outcome: 'converging' as const,
    paused: 'paused by ann: upgrade',
  };
  fleet.facts.set('web-1', { seen_ms: fleet.now_ms, report });
  fleet.report('converged', 'web-2');
  assert.deepEqual([fleet.rows[0]?.state, fleet.rows[0]?.why], ['offered', 'paused by ann: upgrade']);
  assert.deepEqual(fleet.in('offered'), ['web-1', 'web-3']);
});

test('a host that leaves the desired state is gone, and nobody waits for it', () => {
  const fleet = new Fleet(webs(2, { canary: 1, hold: 0 }));
  fleet.run();
  fleet.facts.set('web-1', { seen_ms: fleet.now_ms, gone: true });
  fleet.run();
  assert.deepEqual([fleet.in('gone'), fleet.in('offered')], [['web-1'], ['web-2']]);
});

test('groups go side by side, and a failure in one stops all', () => {
  const more = { settings: settings({ canary: 1, hold: 0 }) };
  const fleet = new Fleet([...webs(2, { canary: 1, hold: 0 }), hostToPlan('db-1', more), hostToPlan('db-2', more)]);
  fleet.run();
  assert.deepEqual(fleet.in('offered'), ['db-1', 'web-1']);
  fleet.report('failed', 'db-1');
  assert.match(fleet.report('converged', 'web-1'), /^paused: db-1 failed/);
  assert.deepEqual(fleet.in('waiting'), ['db-2', 'web-2']);
});

test('an accepted failure keeps nobody waiting; another one does', () => {
  const fleet = new Fleet(webs(3, { batch: 1, hold: 0 }));
  fleet.run();
  fleet.report('failed', 'web-1');
  fleet.rollout = { ...fleet.rollout, plan: { ...fleet.rollout.plan, accepted: ['web-1'] } };
  assert.equal(fleet.run(), 'running');
  assert.match(fleet.report('failed', 'web-2'), /^paused: web-2 failed/);
  fleet.report('converged', 'web-2');
  assert.equal(fleet.report('converged', 'web-3'), 'done: failed, and accepted: web-1');
});

test('an operator’s pause holds what waits, until it is taken back', () => {
  const fleet = new Fleet(webs(2, { batch: 1, hold: 0 }));
  fleet.rollout = { ...fleet.rollout, plan: { ...fleet.rollout.plan, held: 'by ann: lunch' } };
  assert.equal(fleet.run(), 'paused: by ann: lunch');
  fleet.rollout = { ...fleet.rollout, plan: { ...fleet.rollout.plan, held: null } };
  assert.equal(fleet.run(), 'running');
});

const NIGHT = { days: ['mon' as const], from: '12:00', to: '13:00', zone: 'UTC', why: 'market hours' };

test('a freeze that begins on the way keeps the next wave closed until it ends', () => {
  const fleet = new Fleet(webs(2, { canary: 1, hold: 0, within: 600 * MINUTE, freeze: [NIGHT] }));
  fleet.run();
  fleet.pass(120 * MINUTE);
  assert.equal(fleet.rollout.state, 'running', 'the canary goes on');
  assert.equal(fleet.report('converged', 'web-1'), 'frozen: frozen until 2026-11-23T13:00Z: market hours');
  assert.deepEqual(fleet.in('waiting'), ['web-2']);
  assert.equal(fleet.pass(60 * MINUTE), 'running');
  assert.deepEqual(fleet.in('offered'), ['web-2']);
});

test('a freeze holds its own group only, and an operator may overrule it', () => {
  const fleet = new Fleet([...webs(1, { freeze: [{ ...NIGHT, from: '09:00' }] }), hostToPlan('db-1')]);
  assert.equal(fleet.run(), 'running');
  assert.deepEqual(fleet.in('offered'), ['db-1']);
  assert.match(fleet.report('converged', 'db-1'), /^frozen/);
  fleet.rollout = { ...fleet.rollout, plan: { ...fleet.rollout.plan, ignoresFreeze: true } };
  assert.equal(fleet.run(), 'running');
  assert.deepEqual(fleet.in('offered'), ['web-1']);
});

test('a host that uses a new password waits for the host that sets it', () => {
  const fleet = new Fleet([...webs(2), hostToPlan('db-1')], [{ before: ['db-1'], after: ['web-1', 'web-2'] }]);
  fleet.run();
  assert.deepEqual(fleet.in('offered'), ['db-1']);
  assert.equal(fleet.pass(10 * MINUTE, ['db-1']), 'running', 'also when the database’s host is silent');
  assert.deepEqual(fleet.in('waiting'), ['web-1', 'web-2']);
  fleet.report('converged', 'db-1');
  assert.deepEqual(fleet.in('offered'), ['web-1', 'web-2']);
});

test('order waits for all waves of those that come before, also while they are held', () => {
  const db = { settings: settings({ batch: 1, hold: 30 * SECOND }) };
  const hosts = [...webs(1), hostToPlan('db-1', db), hostToPlan('db-2', db)];
  const fleet = new Fleet(hosts, [{ before: ['db-1', 'db-2'], after: ['web-1'] }]);
  fleet.run();
  fleet.report('converged', 'db-1');
  assert.deepEqual(fleet.in('waiting'), ['db-2', 'web-1']);
  fleet.pass(30 * SECOND);
  assert.deepEqual(fleet.in('offered'), ['db-2']);
  fleet.report('converged', 'db-2');
  assert.deepEqual(fleet.in('offered'), ['web-1']);
});

test('waves and order that contradict each other do not wait for ever', () => {
  const one = settings({ batch: 1, hold: 0 });
  const hosts = [
    hostToPlan('a-1', { roles: ['a'], settings: one }),
    hostToPlan('a-2', { roles: ['a'], settings: one, alive: false }),
    hostToPlan('b-1', { roles: ['b'], settings: one, before: 'touched' }),
    hostToPlan('b-2', { roles: ['b'], settings: one }),
  ];
  // b-1 is in the first wave of b though it waits for a-2, and a-1 for b-2.
  const fleet = new Fleet(hosts, [
    { before: ['b-2'], after: ['a-1'] },
    { before: ['a-2'], after: ['b-1'] },
  ]);
  fleet.rows = fleet.rows.map((row) =>
    row.host === 'a-1' ? { ...row, wave: 0 } : row.host === 'a-2' ? { ...row, wave: 1 } : row,
  );
  fleet.run();
  for (let round = 0; round < 5 && fleet.rollout.state !== 'done'; round += 1) {
    assert.notEqual(fleet.in('offered').length, 0);
    fleet.report('converged', ...fleet.in('offered'));
  }
  assert.equal(fleet.rollout.state, 'done');
});

test('what is over stays as it is', () => {
  for (const state of ['done', 'aborted', 'superseded'] as const) {
    const fleet = new Fleet(webs(2));
    fleet.rollout = { ...fleet.rollout, state, why: 'so it was' };
    fleet.report('failed', 'web-1');
    assert.deepEqual(fleet.last, { hosts: [], state, why: 'so it was' });
  }
});

test('the same facts give the same step, whoever runs it', () => {
  const fleet = new Fleet(webs(4, { canary: 1 }));
  const input = {
    rollout: fleet.rollout,
    hosts: fleet.rows,
    facts: (host: string) => fleet.facts.get(host) ?? {},
    now_ms: fleet.now_ms,
    listening_ms: fleet.listening_ms,
  };
  assert.deepEqual(step(input), step(input));
});

test('a host is told which wave it waits for, and what holds the rollout up', () => {
  const fleet = new Fleet(webs(3, { batch: 1 }));
  fleet.run();
  const [, , last] = fleet.rows;
  assert.ok(last);
  assert.equal(whyWaiting({ id: 7, ...fleet.rollout }, last), 'waits for wave 3 of 3 of dev/web');
  fleet.report('failed', 'web-1');
  assert.equal(
    whyWaiting({ id: 7, ...fleet.rollout }, last),
    'waits for wave 3 of 3 of dev/web; rollout 7 is paused: web-1 failed: services/nginx: no unit',
  );
});

test('ten thousand hosts are a step of milliseconds', () => {
  const fleet = new Fleet(webs(10_000, { canary: 1, batch: '10%', hold: 0 }));
  fleet.rows = fleet.rows.map((row) => ({ ...row, state: 'offered' }));
  const begun = performance.now();
  const { rollout, now_ms, listening_ms } = fleet;
  step({ rollout, now_ms, listening_ms, hosts: fleet.rows, facts: (host) => fleet.facts.get(host) ?? {} });
  assert.ok(performance.now() - begun < 500);
});

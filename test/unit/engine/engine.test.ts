import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunResult } from '../../../agent/engine/types.ts';
import { type Host, Stalled } from '../../../agent/resource.ts';
import { Secret } from '../../../desired-state/schema/secret.ts';
import { MemoryHost, manifest, testEngine } from './memory-host.ts';

/** `name: status` of each resource. */
function statuses({ resources }: RunResult): readonly string[] {
  return resources.map(({ name, status }) => `${name}: ${status}`);
}

function fails(message: string): () => never {
  return () => {
    throw new Error(message);
  };
}

test('a run applies each resource after those that it requires, and a second run changes nothing', async () => {
  const { engine, host } = testEngine(
    manifest([
      { name: 'c', requires: ['b'] },
      { name: 'b', autoRequires: [{ kind: 'note', name: 'a' }] },
      { name: 'a' },
    ]),
  );
  assert.deepEqual(statuses(await engine.reconcile()), ['c: changed', 'b: changed', 'a: changed']);
  assert.deepEqual(host.written, ['a', 'b', 'c']);
  assert.deepEqual(statuses(await engine.reconcile()), ['c: converged', 'b: converged', 'a: converged']);
  assert.equal(host.written.length, 3);
});

test('a dry run never asks for a host that it can change, takes no lock and remembers nothing', async () => {
  const { engine, host, locks } = testEngine(manifest([{ name: 'a' }, { name: 'b', onObserve: fails('no') }]));
  const result = await engine.reconcile({ dryRun: true });
  assert.deepEqual(statuses(result), ['a: drifted', 'b: failed']);
  assert.equal(result.dryRun, true);
  assert.equal(result.resources[0]?.changes[0]?.outcome, 'pending');
  assert.equal(host.writersGiven, 0);
  assert.equal(locks.taken, 0);
  assert.equal(engine.nextRetry_ms(), undefined);
});

test('a run that has nothing to repair takes no lock and asks for no host that it can change', async () => {
  const { engine, host, locks } = testEngine(manifest([{ name: 'a' }]));
  host.notes.set('a', 'text of a');
  await engine.reconcile();
  assert.deepEqual([host.writersGiven, locks.taken], [0, 0]);
});

test('the lock is released also where the run fails', async () => {
  const { engine, locks } = testEngine(manifest([{ name: 'a', onApply: fails('no space') }]));
  await engine.reconcile();
  assert.deepEqual(locks, { held: 0, taken: 1 });
});

test('a failure blocks those that depend on it, whatever lies between, and nobody else', async () => {
  const { engine, host } = testEngine(
    manifest([
      { name: 'a', onApply: fails('no space') },
      { name: 'b', requires: ['a'] },
      { name: 'c', requires: ['b'] },
      { name: 'd' },
    ]),
  );
  const result = await engine.reconcile();
  assert.deepEqual(statuses(result), ['a: failed', 'b: blocked', 'c: blocked', 'd: changed']);
  assert.deepEqual(result.resources[2]?.blockedBy, { kind: 'note', name: 'a' });
  assert.deepEqual(host.written, ['d']);
});

test('what depends on a failed resource and is in order all the same is converged', async () => {
  const { engine, host } = testEngine(
    manifest([
      { name: 'a', onApply: fails('no') },
      { name: 'b', requires: ['a'] },
    ]),
  );
  host.notes.set('b', 'text of b');
  assert.deepEqual(statuses(await engine.reconcile()), ['a: failed', 'b: converged']);
});

test('a resource that still differs after its apply is not converged, and the error names what is left', async () => {
  // It writes to another host than the one that is looked at.
  const { engine } = testEngine(manifest([{ name: 'a' }]), undefined, { writer: () => new MemoryHost().writer() });
  const [a] = (await engine.reconcile()).resources;
  assert.equal(a?.status, 'failed');
  assert.match(a?.error ?? '', /still differs after it was applied: write a/);
  assert.equal(a?.changes[0]?.outcome, 'applied');
});

test('a failed resource waits, also when it is looked at before, and is tried again when its time has come', async () => {
  let broken = true;
  const attempts: number[] = [];
  const onApply = () => {
    attempts.push(clock.now_ms);
    if (broken) throw new Error('no space');
  };
  const { engine, clock } = testEngine(
    manifest([
      { name: 'a', onApply },
      { name: 'b', requires: ['a'] },
    ]),
  );
  const first = await engine.reconcile();
  assert.equal(first.resources[0]?.retryAt_ms, 1_001_000);
  assert.equal(engine.nextRetry_ms(), 1_001_000);

  clock.now_ms += 500;
  const second = await engine.reconcile();
  assert.deepEqual(statuses(second), ['a: waiting', 'b: blocked']);
  assert.equal(second.resources[0]?.error, 'no space');

  clock.now_ms = 1_001_000;
  assert.equal((await engine.reconcile()).resources[0]?.retryAt_ms, 1_003_000);

  broken = false;
  clock.now_ms = 1_003_000;
  assert.deepEqual(statuses(await engine.reconcile()), ['a: changed', 'b: changed']);
  assert.deepEqual(attempts, [1_000_000, 1_001_000, 1_003_000]);
  assert.equal(engine.nextRetry_ms(), undefined);
});

test('a waiting resource that somebody mended by hand is converged at once', async () => {
  const { engine, host } = testEngine(manifest([{ name: 'a', onApply: fails('no') }]));
  await engine.reconcile();
  host.notes.set('a', 'text of a');
  assert.deepEqual(statuses(await engine.reconcile()), ['a: converged']);
  assert.equal(engine.nextRetry_ms(), undefined);
});

test('a stalled resource is not tried again however long it takes, until the host changes', async () => {
  let tries = 0;
  const { engine, host, clock } = testEngine(manifest([{ kind: 'stubborn', name: 'a', onApply: () => (tries += 1) }]));
  const first = await engine.reconcile();
  assert.deepEqual(statuses(first), ['a: stalled']);
  assert.equal(first.resources[0]?.retryAt_ms, undefined);
  clock.now_ms += 1e9;
  const second = await engine.reconcile();
  assert.deepEqual([statuses(second), second.resources[0]?.error, tries], [['a: stalled'], 'it is refused here', 1]);
  host.notes.set('allowed', '');
  assert.deepEqual(statuses(await engine.reconcile()), ['a: changed']);
});

test('a stalled resource is tried again with a new revision', async () => {
  let tries = 0;
  const resources = [{ kind: 'stubborn', name: 'a', onApply: () => (tries += 1) }];
  const { engine } = testEngine(manifest(resources));
  await engine.reconcile();
  engine.load(manifest(resources, { revision: 'r2' }));
  await engine.reconcile();
  assert.equal(tries, 2);
});

test('what cannot be looked at because of a stall is stalled, and looked at again every time', async () => {
  let reason: Error | undefined = new Stalled('no such version');
  const onObserve = () => {
    if (reason !== undefined) throw reason;
  };
  const { engine } = testEngine(manifest([{ name: 'a', onObserve }]));
  assert.deepEqual(statuses(await engine.reconcile()), ['a: stalled']);
  reason = undefined;
  assert.deepEqual(statuses(await engine.reconcile()), ['a: changed']);
});

test('mode report changes nothing and says what differs, for a host and for a resource', async () => {
  const whole = testEngine(manifest([{ name: 'a' }, { name: 'b', mode: 'enforce' }], { mode: 'report' }));
  assert.deepEqual(statuses(await whole.engine.reconcile()), ['a: drifted', 'b: changed']);
  const one = testEngine(
    manifest([
      { name: 'a', mode: 'report' },
      { name: 'b', requires: ['a'] },
    ]),
  );
  assert.deepEqual(statuses(await one.engine.reconcile()), ['a: drifted', 'b: changed']);
  assert.deepEqual(one.host.written, ['b']);
});

test('a change is corrective where the resource was converged under this declaration, and intended otherwise', async () => {
  const { engine, host } = testEngine(manifest([{ name: 'a' }, { name: 'b' }]));
  const cause = async () => (await engine.reconcile()).resources.map((resource) => resource.cause);
  assert.deepEqual(await cause(), ['intended', 'intended']);
  host.notes.set('a', 'by hand');
  assert.deepEqual(await cause(), ['corrective', undefined]);
  engine.load(manifest([{ name: 'a' }, { name: 'b', text: 'new' }], { revision: 'r2' }));
  host.notes.set('a', 'by hand');
  assert.deepEqual(await cause(), ['corrective', 'intended']);
});

test('a declaration in which only a secret is new is intended', async () => {
  const { engine } = testEngine(manifest([{ name: 'a', text: new Secret('old password') }]));
  await engine.reconcile();
  engine.load(manifest([{ name: 'a', text: new Secret('new password') }], { revision: 'r2' }));
  assert.equal((await engine.reconcile()).resources[0]?.cause, 'intended');
});

test('the next process knows what was converged, but only under the same revision', async () => {
  const first = testEngine(manifest([{ name: 'a' }, { name: 'b', onApply: fails('no') }]));
  await first.engine.reconcile();
  const recollection = first.engine.recollection();
  assert.deepEqual(recollection, { revision: 'r1', converged: ['note/a'] });
  const causeAt = async (revision: string) => {
    const { engine } = testEngine(manifest([{ name: 'a' }], { revision }), recollection);
    return (await engine.reconcile({ dryRun: true })).resources[0]?.cause;
  };
  assert.equal(await causeAt('r1'), 'corrective');
  assert.equal(await causeAt('r2'), 'intended');
});

test('no secret of the manifest stands in a summary, a diff or an error', async () => {
  const { engine } = testEngine(
    manifest([
      { name: 'a', text: new Secret('hunter2-hunter2') },
      { name: 'b', onApply: fails('psql: password "hunter2-hunter2" refused') },
    ]),
  );
  for (const dryRun of [true, false]) {
    const text = JSON.stringify(await engine.reconcile({ dryRun }));
    assert.ok(!text.includes('hunter2'), text);
    assert.match(text, /\*\*\*/);
  }
});

test('an error says what caused it, and for a mistake in the code also where', async () => {
  const cause = new Error('connection refused');
  const onApply = () => {
    throw new Error('the role could not be made', { cause });
  };
  const mistake = (host: Host) => host.run({ argv: ['true'] });
  const { engine } = testEngine(
    manifest([
      { name: 'a', onApply },
      { name: 'b', onApply: mistake },
    ]),
  );
  const [a, b] = (await engine.reconcile()).resources;
  assert.equal(a?.error, 'the role could not be made\ncaused by: connection refused');
  assert.match(b?.error ?? '', /^TypeError: host\.run is not a function \(at .*engine\.test\.ts/);
});

test('changes that follow a failed one are not applied', async () => {
  const { engine } = testEngine(manifest([{ kind: 'pair', name: 'a', onApply: fails('no') }]));
  const outcomes = (await engine.reconcile()).resources[0]?.changes.map(({ outcome }) => outcome);
  assert.deepEqual(outcomes, ['failed', 'pending']);
});

test('a resource that another one undid in the same run is repaired in it', async () => {
  const undo = { name: 'b', requires: ['a'], onApply: () => void host.notes.delete('a') };
  const { engine, host } = testEngine(manifest([{ name: 'a' }, undo]));
  const result = await engine.reconcile();
  assert.deepEqual(statuses(result), ['a: changed', 'b: changed']);
  assert.deepEqual(host.written, ['a', 'b', 'a']);
  assert.equal(result.resources[0]?.changes.length, 2);
  assert.equal(result.resources[0]?.cause, 'intended');
});

test('two resources that keep undoing each other end as an error that says so', async () => {
  const { engine, host } = testEngine(
    manifest([
      { name: 'a', onApply: () => void host.notes.delete('b') },
      { name: 'b', onApply: () => void host.notes.delete('a') },
    ]),
  );
  const result = await engine.reconcile();
  const failed = result.resources.filter(({ status }) => status === 'failed');
  assert.equal(failed.length, 1);
  assert.match(failed[0]?.error ?? '', /keeps undoing it: write/);
  assert.equal(host.written.length, 6, 'three passes and no more');
});

test('a run looks again at what it saw before it had the lock', async () => {
  const { engine, host } = testEngine(manifest([{ name: 'a' }]), undefined, {
    takeLock: async () => {
      host.notes.set('a', 'text of a');
      return { release: async () => {} };
    },
  });
  assert.deepEqual(statuses(await engine.reconcile()), ['a: converged']);
  assert.deepEqual(host.written, []);
});

test('only the resources that were asked for are touched', async () => {
  const { engine, host } = testEngine(manifest([{ name: 'a' }, { name: 'b', requires: ['a'] }]));
  assert.deepEqual(statuses(await engine.reconcile({ only: [{ kind: 'note', name: 'b' }] })), ['b: changed']);
  assert.deepEqual(host.written, ['b']);
  await assert.rejects(
    engine.reconcile({ only: [{ kind: 'note', name: 'x' }] }),
    /the manifest has no resource note\/x/,
  );
});

test('a manifest that cannot be ordered is refused and the one before stays', async () => {
  const { engine } = testEngine(manifest([{ name: 'a' }]));
  assert.throws(() => engine.load(manifest([{ name: 'b', requires: ['b'] }], { revision: 'r2' })), /in a cycle/);
  assert.throws(() => engine.load(manifest([{ kind: 'unheard', name: 'b' }], { revision: 'r2' })), /no kind "unheard"/);
  assert.equal((await engine.reconcile()).revision, 'r1');
});

test('while a run repairs, a second one and a new manifest are refused, and a dry run is not', async () => {
  const gate = Promise.withResolvers<void>();
  const { engine } = testEngine(manifest([{ name: 'a', onApply: () => gate.promise }]));
  const first = engine.reconcile();
  await assert.rejects(engine.reconcile(), /under way already/);
  assert.throws(() => engine.load(manifest([])), /under way/);
  assert.deepEqual(statuses(await engine.reconcile({ dryRun: true })), ['a: drifted']);
  gate.resolve();
  assert.deepEqual(statuses(await first), ['a: changed']);
});

test('progress is told as it happens, with each resource once', async () => {
  const told: string[] = [];
  const { engine } = testEngine(manifest([{ name: 'a' }, { name: 'b', requires: ['a'] }]));
  await engine.reconcile({
    onChange: ({ name }, summary) => told.push(`${name} begins: ${summary}`),
    onResource: ({ name, status }) => told.push(`${name} ${status}`),
  });
  assert.deepEqual(told, ['a begins: write a', 'a changed', 'b begins: write b', 'b changed']);
});

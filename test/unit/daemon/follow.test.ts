import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import { Follower, hashOf } from '../../../agent/daemon/follow.ts';
import { decodeManifest, type Manifest } from '../../../desired-state/schema/manifest.ts';
import { FakeController, HOST, manifestText, settle } from './support.ts';

interface Setup {
  readonly controller: FakeController;
  readonly follower: Follower;
  readonly accepted: string[];
}

interface SetupOptions {
  readonly running?: string;
  /** Whether the report of a run arrives at once. */
  readonly reports?: boolean;
  readonly reported?: () => Promise<boolean>;
}

function setup(t: TestContext, { running, reports = true, reported }: SetupOptions = {}): Setup {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.UTC(2026, 0, 1) });
  const controller = new FakeController();
  const accepted: string[] = [];
  let manifest: Manifest | undefined = running === undefined ? undefined : decodeManifest(running);
  let text = running;
  const follower: Follower = new Follower({
    client: controller,
    host: HOST,
    running: () => manifest,
    runningHash: () => (text === undefined ? undefined : hashOf(text)),
    accept: async (next, nextText) => {
      manifest = next;
      text = nextText;
      accepted.push(next.revision);
      if (reports) setImmediate(() => follower.nudge());
    },
    onChange: () => {},
    onPreview: () => {},
    onPause: () => {},
    ...(reported === undefined ? {} : { reported }),
    random: () => 0.5,
  });
  t.after(async () => {
    await follower.stop();
    mock.timers.reset();
  });
  return { controller, follower, accepted };
}

test('the first manifest is taken, and the next request is held with its ETag', async (t) => {
  const { controller, follower, accepted } = setup(t);
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  follower.start();
  await settle();
  assert.deepEqual(accepted, ['one']);
  assert.equal(controller.asked[0]?.wait_ms, 0);
  assert.equal(controller.asked[1]?.etag, '"1"');
  assert.equal(controller.asked[1]?.wait_ms, 50_000);
  assert.equal(controller.asked.length, 2);
});

test('a new revision ends a held request and is taken without any delay', async (t) => {
  const { controller, follower, accepted } = setup(t);
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  follower.start();
  await settle();
  controller.serve(manifestText({ revision: 'two' }), '"2"');
  await settle();
  assert.deepEqual(accepted, ['one', 'two']);
  assert.equal(follower.view.offered?.revision, 'two');
});

test('after a new manifest the report of its run goes first, and is waited for five seconds', async (t) => {
  const { controller, follower, accepted } = setup(t, { reports: false });
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  follower.start();
  await settle();
  assert.deepEqual(accepted, ['one']);
  assert.equal(controller.asked.length, 1);
  follower.nudge();
  await settle();
  assert.equal(controller.asked.length, 2, 'it was told');
  controller.serve(manifestText({ revision: 'two' }), '"2"');
  await settle();
  assert.deepEqual(accepted, ['one', 'two']);
  assert.equal(controller.asked.length, 2);
  mock.timers.tick(5_000);
  await settle();
  assert.equal(controller.asked.length, 3, 'the run takes longer');
});

test('a report that is still on its way after that time is waited for, so that it keeps the connection for itself', async (t) => {
  const onTheWay = Promise.withResolvers<boolean>();
  const { controller, follower, accepted } = setup(t, { reports: false, reported: () => onTheWay.promise });
  controller.serve(manifestText({ revision: 'one' }), '"1"');
  follower.start();
  await settle();
  assert.deepEqual(accepted, ['one']);
  mock.timers.tick(60_000);
  await settle();
  assert.equal(controller.asked.length, 1);
  onTheWay.resolve(false);
  await settle();
  assert.equal(controller.asked.length, 2);
});

test('after a report that got no answer the next request comes after a pause and is not held, and the one after it is', async (t) => {
  const { controller, follower } = setup(t, { reported: async () => true });
  controller.serve(manifestText(), '"1"');
  follower.start();
  await settle();
  assert.equal(controller.asked.length, 1);
  mock.timers.tick(5_000);
  await settle();
  assert.deepEqual(
    controller.asked.map(({ wait_ms }) => wait_ms > 0),
    [false, false, true],
  );
});

test('a report that is owed does not make the tries rarer while the controller is away', async (t) => {
  const { controller, follower } = setup(t, { reported: async () => true });
  controller.goAway();
  follower.start();
  await settle();
  // Half of 10 s, of 20 s and of 40 s.
  for (const [index, delay_ms] of [5_000, 10_000, 20_000].entries()) {
    mock.timers.tick(delay_ms);
    await settle();
    assert.equal(controller.asked.length, index + 2);
  }
});

const refusals = [
  { name: 'garbage', text: '<html>502 Bad Gateway</html>', reason: /not JSON/ },
  { name: 'a manifest cut short', text: manifestText().slice(0, 200), reason: /not JSON/ },
  { name: 'JSON that is no manifest', text: '{"hello":"world"}', reason: /malformed/ },
  {
    name: "another host's manifest",
    text: manifestText({ host: 'db-1' }),
    reason: /of host "db-1" and this host is "web-1"/,
  },
  {
    name: 'a manifest of a newer format',
    text: manifestText({ format: { major: 2, minor: 0 } }),
    reason: /format 2\.0.*upgrade/,
  },
  {
    name: 'an older revision',
    text: manifestText({ revision: 'old', sequence: 6 }),
    reason: /outdated.*old has sequence 6/,
  },
];

for (const { name, text, reason } of refusals) {
  test(`${name} is refused, told, and does not replace the manifest that runs`, async (t) => {
    const { controller, follower, accepted } = setup(t, { running: manifestText({ revision: 'good', sequence: 7 }) });
    controller.serve(text, '"bad"');
    follower.start();
    await settle();
    assert.deepEqual(accepted, []);
    assert.match(follower.view.refused?.reason ?? '', reason);
    assert.equal(follower.view.state, 'reachable');
    assert.ok(controller.asked.length <= 2, 'the refused answer is not asked for again and again');
    controller.serve(manifestText({ revision: 'fixed', sequence: 8 }), '"good"');
    await settle();
    assert.deepEqual(accepted, ['fixed']);
    assert.equal(follower.view.refused, undefined);
  });
}

test('garbage without an ETag is asked for again only after a growing delay', async (t) => {
  const { controller, follower } = setup(t);
  controller.serve('garbage', undefined);
  follower.start();
  await settle();
  assert.equal(controller.asked.length, 1);
  for (let second = 0; second < 600; second += 1) {
    mock.timers.tick(1000);
    await settle(3);
  }
  const { length } = controller.asked;
  assert.ok(length >= 15 && length <= 25, `${length} requests in ten minutes`);
});

test('garbage never shows in the reason, since a secret may stand in it', async (t) => {
  const { controller, follower } = setup(t);
  controller.serve('{"resources": [{"$secret": "hunter2", }', '"bad"');
  follower.start();
  await settle();
  assert.doesNotMatch(follower.view.refused?.reason ?? '', /hunter2/);
});

test('a rollback, which has a higher sequence, is taken', async (t) => {
  const { controller, follower, accepted } = setup(t, { running: manifestText({ revision: 'bad', sequence: 7 }) });
  controller.serve(manifestText({ revision: 'earlier commit', sequence: 8 }), '"8"');
  follower.start();
  await settle();
  assert.deepEqual(accepted, ['earlier commit']);
});

test('a minor version more is taken, its unknown keys ignored', async (t) => {
  const { controller, follower, accepted } = setup(t);
  const text = JSON.stringify({
    ...JSON.parse(manifestText({ revision: 'newer', format: { major: 1, minor: 1 } })),
    novelty: true,
  });
  controller.serve(text, '"n"');
  follower.start();
  await settle();
  assert.deepEqual(accepted, ['newer']);
});

test('the manifest that runs already is confirmed and not taken again', async (t) => {
  const text = manifestText({ revision: 'same' });
  const { controller, follower, accepted } = setup(t, { running: text });
  controller.serve(text, '"1"');
  follower.start();
  await settle();
  assert.deepEqual(accepted, []);
  assert.equal(follower.view.offered?.revision, 'same');
});

test('while the controller is away the view says since when, tries stay bounded, and it recovers by itself', async (t) => {
  const { controller, follower } = setup(t);
  controller.serve(manifestText(), '"1"');
  follower.start();
  await settle();
  controller.goAway();
  await settle();
  const left_ms = Date.now();
  assert.equal(follower.view.state, 'away');
  assert.equal(follower.view.since_ms, left_ms);
  const before = controller.asked.length;
  for (let second = 0; second < 3600; second += 1) {
    mock.timers.tick(1000);
    await settle(2);
  }
  const tries = controller.asked.length - before;
  assert.ok(tries >= 60 && tries <= 150, `${tries} tries in an hour`);
  assert.equal(follower.view.since_ms, left_ms);
  assert.match(follower.view.error ?? '', /ECONNREFUSED/);
  controller.comeBack();
  mock.timers.tick(60_000);
  await settle();
  assert.equal(follower.view.state, 'reachable');
});

test('10,000 agents that lost the controller together come back spread over the whole delay', async () => {
  const { Backoff } = await import('../../../agent/daemon/backoff.ts');
  const perSecond = new Map<number, number>();
  for (let agent = 0; agent < 10_000; agent += 1) {
    const backoff = new Backoff({ first_ms: 10_000, max_ms: 60_000 });
    for (let failure = 0; failure < 6; failure += 1) backoff.next_ms();
    const second = Math.floor(backoff.next_ms() / 1000);
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
  }
  const worst = Math.max(...perSecond.values());
  // 10,000 over 60 s is 167 a second; six standard deviations more is 245.
  assert.ok(worst < 245, `${worst} in one second`);
  assert.ok(Math.max(...perSecond.keys()) >= 58);
});

test('a controller that does not hold requests is not asked more than a few times a minute', async (t) => {
  const { controller, follower } = setup(t);
  controller.serve(manifestText(), '"1"');
  controller.manifest = async (options) => {
    controller.asked.push({ etag: options.etag, wait_ms: options.wait_ms, at_ms: Date.now() });
    if (options.etag === '"1"') return { text: undefined, etag: '"1"', revision: undefined };
    return { text: manifestText(), etag: '"1"', revision: undefined };
  };
  follower.start();
  await settle();
  for (let second = 0; second < 60; second += 1) {
    mock.timers.tick(1000);
    await settle(3);
  }
  assert.ok(controller.asked.length <= 15, `${controller.asked.length} requests in a minute`);
});

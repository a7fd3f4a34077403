import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { pack } from '../../../../controller/packing.ts';
import { dropAudit, listAudit } from '../../../../controller/store/audit.ts';
import type { Store } from '../../../../controller/store/database.ts';
import { HostRecords } from '../../../../controller/store/host-records.ts';
import { DEFAULT_RETENTION, sweep } from '../../../../controller/store/retention.ts';
import {
  acceptRevision,
  dropRevisions,
  lastGoodRevision,
  listRevisions,
  readRevision,
  refuseRevision,
} from '../../../../controller/store/revisions.ts';
import { dropRuns, listRuns, readRun } from '../../../../controller/store/runs.ts';
import {
  dropManifests,
  loadServed,
  type Manifest,
  openManifest,
  packedManifest,
  saveManifests,
  sealedManifests,
  serve,
  serveNoMore,
} from '../../../../controller/store/served-tables.ts';
import { Audit } from '../../../../controller/trust/audit.ts';
import type { Report } from '../../../../desired-state/schema/report.ts';
import { quiet } from './memory.ts';
import { reportOf, runOf } from './reports.ts';

const NOW_MS = 1_800_000_000_000;
const NOW_S = NOW_MS / 1000;

/** What holds of the store whatever database it is on; `open` opens an empty one that is closed after the test. */
export function describeQueries(database: string, open: (context: TestContext) => Promise<Store>): void {
  async function openRecords(context: TestContext, store?: Store) {
    const own = store ?? (await open(context));
    const records = new HostRecords(own, quiet);
    await records.open();
    context.after(() => records.close());
    return { store: own, records };
  }

  describe(`hosts on ${database}`, () => {
    it('are kept as they were last seen before their controller ends, in the middle of a write, too', async (context) => {
      context.mock.timers.enable({ apis: ['setTimeout'] });
      const store = await open(context);
      const isWritten = Promise.withResolvers<void>();
      const { records } = await openRecords(context, store);
      const slow = { execute: () => isWritten.promise };
      const insert = { values: () => ({ onConflict: () => slow }) } as unknown as ReturnType<
        typeof store.db.insertInto
      >;
      context.mock.method(store.db, 'insertInto', () => insert, { times: 1 });
      records.seen('web-1', NOW_MS);
      context.mock.timers.tick(2000);
      let isClosed = false;
      const closed = records.close().then(() => {
        isClosed = true;
      });
      await store.db.selectFrom('hosts').selectAll().execute();
      await store.db.selectFrom('hosts').selectAll().execute();
      assert.equal(isClosed, false);
      isWritten.resolve();
      await closed;
    });

    it('are told of to the other controllers before theirs ends', async (context) => {
      const store = await open(context);
      const isSent = Promise.withResolvers<void>();
      const send = context.mock.method(store.bus, 'publish', () => isSent.promise);
      const { records } = await openRecords(context, store);
      await records.add(reportOf('web-1', {}), NOW_MS);
      assert.equal(send.mock.callCount(), 1);
      let isClosed = false;
      const closed = records.close().then(() => {
        isClosed = true;
      });
      // Whatever else it waits for is done before this.
      await store.db.selectFrom('hosts').selectAll().execute();
      await store.db.selectFrom('hosts').selectAll().execute();
      assert.equal(isClosed, false);
      isSent.resolve();
      await closed;
    });

    it('are kept with their last report, and in short in memory', async (context) => {
      const { store, records } = await openRecords(context);
      const addresses = [
        { interface: 'lo', address: '127.0.0.1', family: 4 as const },
        { interface: 'eth0', address: 'FE80::1', family: 6 as const },
        { interface: 'eth1', address: '10.0.0.7', family: 4 as const },
      ];
      const run = runOf('r1', { nginx: 'failed', web: 'drifted' });
      const report = reportOf('web-1', { runningRevision: 'r1', run, facts: { addresses } });
      assert.deepEqual(await records.add(report, NOW_MS), { addressesChanged: true });
      assert.deepEqual(await records.add(reportOf('web-1', { run }), NOW_MS + 5), { addressesChanged: false });
      assert.deepEqual(await records.lastReport('web-1'), reportOf('web-1', { run }));
      assert.equal(await records.lastReport('web-2'), undefined);
      await records.close();
      const { records: again } = await openRecords(context, store);
      const { summary, ...record } = again.get('web-1') ?? assert.fail('it is forgotten');
      assert.deepEqual(record, { lastSeen_ms: NOW_MS + 5, lastReport_ms: NOW_MS + 5, addresses: ['10.0.0.7'] });
      assert.deepEqual(summary?.run?.counts, { failed: 1, drifted: 1 });
      assert.equal(summary?.run?.broken, 'services/nginx: no nginx');
      assert.equal(summary?.run?.drifted, 'services/web: web changed');
      assert.equal(again.get('web-2'), undefined);
    });

    it('that were only seen are kept, and keep what they reported', async (context) => {
      const { store, records } = await openRecords(context);
      await records.add(reportOf('web-1', { runningRevision: 'r1' }), NOW_MS);
      for (const host of ['web-1', 'web-2']) records.seen(host, NOW_MS + 1000);
      await records.close();
      const { records: again } = await openRecords(context, store);
      assert.equal(again.get('web-1')?.lastSeen_ms, NOW_MS + 1000);
      assert.equal(again.get('web-1')?.summary?.runningRevision, 'r1');
      assert.deepEqual(again.get('web-2'), { lastSeen_ms: NOW_MS + 1000, addresses: [] });
    });

    it('that report together are written together, each report told once it can be read', async (context) => {
      const { records } = await openRecords(context);
      const told: string[] = [];
      records.onReport((hosts) => told.push(...hosts));
      const names = Array.from({ length: 250 }, (_, index) => `host-${index}`);
      await Promise.all(names.map((host) => records.add(reportOf(host), NOW_MS)));
      assert.deepEqual(told.sort(), names.sort());
      assert.equal(records.records().size, 250);
      assert.ok((await records.lastReport('host-249')) !== undefined);
    });

    it('whatever their agents write, cannot spoil the reports of others', async (context) => {
      const { store, records } = await openRecords(context);
      const odd = `\0\u001b[2J\ud800${'x'.repeat(10_000)}`;
      const run = { ...runOf(odd, { nginx: 'failed' }), duration_ms: Number.POSITIVE_INFINITY };
      const hostile = reportOf('web-1', { agentVersion: odd, runningRevision: odd, run, whyDifferent: odd });
      await Promise.all([records.add(hostile, NOW_MS), records.add(reportOf('web-2'), NOW_MS)]);
      const [row] = await listRuns(store.db, { limit: 10 });
      assert.match(row?.revision ?? '', /^[ -~]{1,128}$/);
      assert.ok(records.get('web-2') !== undefined);
    });

    it('that have been silent for long are forgotten', async (context) => {
      const { store, records } = await openRecords(context);
      await records.add(reportOf('old'), NOW_MS);
      await records.add(reportOf('new'), NOW_MS + 10);
      await records.forget(NOW_MS + 5);
      assert.deepEqual([...records.records().keys()], ['new']);
      assert.equal(await records.lastReport('old'), undefined);
      const rows = await store.db.selectFrom('hosts').select('host').execute();
      assert.deepEqual(rows, [{ host: 'new' }]);
    });
  });

  describe(`runs on ${database}`, () => {
    it('are kept when they tell something new, and not as heartbeats', async (context) => {
      const { store, records } = await openRecords(context);
      const list = async () => (await listRuns(store.db, { host: 'web-1', limit: 100 })).map(({ status }) => status);
      const add = async (run: Report['run'], more: Partial<Report> = {}) => {
        await records.add(reportOf('web-1', { run, ...more }), NOW_MS);
        return list();
      };
      const first = runOf('r1', { nginx: 'converged' }, 1);
      assert.deepEqual(await add(first), ['converged']);
      assert.deepEqual(await add(first), ['converged'], 'a heartbeat');
      assert.deepEqual(await add(runOf('r1', { nginx: 'converged' }, 2)), ['converged'], 'as before');
      const changed = runOf('r1', { nginx: 'changed', web: 'converged' }, 3);
      assert.deepEqual(await add(changed), ['changed', 'converged']);
      assert.deepEqual(await add(changed), ['changed', 'converged'], 'a heartbeat');
      assert.equal((await add(runOf('r1', { nginx: 'changed', web: 'converged' }, 4))).length, 3, 'changed again');
      assert.deepEqual((await add(runOf('r1', { nginx: 'failed', web: 'changed' }, 5)))[0], 'failed');
      const entry = { at_ms: 1, revision: 'r1', resource: { kind: 'files', name: '/x', status: 'changed' as const } };
      const last = runOf('r1', { nginx: 'converged' }, 6);
      assert.equal((await add(last)).length, 5);
      assert.equal((await add(last, { past: [entry] })).length, 6, 'what happened meanwhile');
      assert.equal((await add(undefined)).length, 6);
    });

    it('have their details: what was not in order, with diffs as far as they are not too long', async (context) => {
      const { store, records } = await openRecords(context);
      await records.add(reportOf('web-1', { run: runOf('r1', { nginx: 'changed', web: 'converged' }, 7) }), NOW_MS);
      const [row] = await listRuns(store.db, { limit: 1 });
      const run = await readRun(store.db, row?.id ?? 0);
      assert.deepEqual(run?.detail.counts, { changed: 1, converged: 1 });
      assert.deepEqual(
        run?.detail.resources.map(({ name, changes }) => [name, changes?.[0]?.diff]),
        [['nginx', '-a\n+b']],
      );
      const long = runOf('r2', { nginx: 'changed' }, 8, 'x'.repeat(300_000));
      await records.add(reportOf('web-1', { run: long }), NOW_MS);
      const [next] = await listRuns(store.db, { limit: 1 });
      const { detail } = (await readRun(store.db, next?.id ?? 0)) ?? assert.fail();
      assert.deepEqual([detail.cut, detail.resources[0]?.changes?.[0]?.diff], ['diffs', undefined]);
      assert.equal(await readRun(store.db, 99_999), undefined);
    });

    it('are listed page by page, and dropped by age and by size, the oldest first', async (context) => {
      const { db } = await open(context);
      const rows = Array.from({ length: 20 }, (_, index) => ({
        host: index % 2 === 0 ? 'a' : 'b',
        at_ms: NOW_MS + index,
        revision: 'r',
        status: 'changed',
        duration_ms: 1,
        changed: 1,
        failed: 0,
        detail: '{}',
        size_bytes: 100,
      }));
      await db.insertInto('runs').values(rows).execute();
      const page = await listRuns(db, { host: 'a', limit: 3 });
      assert.deepEqual(
        page.map(({ at_ms }) => at_ms - NOW_MS),
        [18, 16, 14],
      );
      const next = await listRuns(db, { host: 'a', limit: 3, before: page[2]?.id ?? 0 });
      assert.equal(next[0]?.at_ms, NOW_MS + 12);
      const keep = { after_ms: NOW_MS + 5, size_bytes: 1000 };
      assert.equal(await dropRuns(db, keep, 3), 3);
      assert.equal(await dropRuns(db, keep, 3), 2);
      assert.equal(await dropRuns(db, keep, 3), 3, 'now for their size');
      assert.equal(await dropRuns(db, keep, 3), 2);
      assert.equal(await dropRuns(db, keep, 3), 0);
      const left = await listRuns(db, { limit: 100 });
      assert.deepEqual([left.length, left.at(-1)?.at_ms], [10, NOW_MS + 10]);
    });
  });

  describe(`revisions on ${database}`, () => {
    const pushed = { seen_ms: NOW_MS, pushedBy: 'ann', pushedFrom: '192.0.2.1', subject: 'More workers' };

    it('get sequences that rise, also at the same time and when one is taken up again', async (context) => {
      const { db } = await open(context);
      assert.equal(await lastGoodRevision(db), undefined);
      const first = await acceptRevision(db, { revision: 'a', ...pushed }, NOW_S);
      assert.equal(first, NOW_MS / 1000);
      const together = await Promise.all(
        ['b', 'c', 'd', 'e'].map((revision) => acceptRevision(db, { revision, ...pushed }, NOW_S)),
      );
      assert.deepEqual(
        together.sort((a, b) => a - b),
        [1, 2, 3, 4].map((step) => first + step),
      );
      assert.equal(await acceptRevision(db, { revision: 'a', ...pushed }, NOW_S - 60), first + 5);
      const { issues, ...last } = (await lastGoodRevision(db)) ?? assert.fail();
      assert.deepEqual(last, { revision: 'a', ...pushed, state: 'good', sequence: first + 5 });
      assert.deepEqual(issues, []);
    });

    it('are kept with why they were refused, but one that was good stays good', async (context) => {
      const { db } = await open(context);
      const issue = { file: 'roles/web.yaml', line: 1, column: 2, message: 'unknown key', hosts: ['web-1'] };
      await refuseRevision(db, { revision: 'bad', ...pushed, subject: 'a\0b' }, [issue]);
      const bad = await readRevision(db, 'bad');
      assert.deepEqual([bad?.state, bad?.issues, bad?.sequence, bad?.subject], ['refused', [issue], undefined, 'a?b']);
      await acceptRevision(db, { revision: 'bad', ...pushed }, NOW_S);
      assert.equal((await readRevision(db, 'bad'))?.state, 'good');
      await refuseRevision(db, { revision: 'bad', ...pushed }, [issue]);
      assert.deepEqual([(await readRevision(db, 'bad'))?.state, (await lastGoodRevision(db))?.issues], ['good', []]);
    });

    it('that are refused again tell who was refused last, unless a mere look at the branch finds them', async (context) => {
      const { db } = await open(context);
      await refuseRevision(db, { revision: 'bad', ...pushed }, [{ message: 'not signed' }]);
      const bob = { revision: 'bad', seen_ms: NOW_MS + 1, pushedBy: 'bob', pushedFrom: '192.0.2.2', subject: 'Again' };
      const again = { message: 'still not signed' };
      await refuseRevision(db, bob, [again]);
      assert.deepEqual(await readRevision(db, 'bad'), { ...bob, state: 'refused', issues: [again] });
      const look = { revision: 'bad', seen_ms: NOW_MS + 2, pushedBy: 'mirror', subject: '' };
      await refuseRevision(db, look, []);
      const found = { ...bob, seen_ms: NOW_MS + 2, state: 'refused', issues: [] };
      assert.deepEqual(await readRevision(db, 'bad'), found);
    });

    it('that are refused are kept in little room, whatever was pushed', async (context) => {
      const { db } = await open(context);
      const hosts = Array.from({ length: 10_000 }, (_, index) => `web-${index}.${'x'.repeat(200)}`);
      const long = '\u001b\0'.repeat(100_000);
      const issue = { file: long, line: 1, column: 2, message: long, hosts };
      const many = Array.from({ length: 1_000 }, () => issue);
      await refuseRevision(db, { revision: 'bad', ...pushed, subject: long, pushedBy: long }, many);
      const bad = (await readRevision(db, 'bad')) ?? assert.fail();
      assert.ok(JSON.stringify(bad).length < 1_000_000, `${JSON.stringify(bad).length}`);
      assert.equal(bad.issues.length, 100);
      assert.match(bad.issues[0]?.message ?? '', /^\?{500}$/);
    });

    it('are dropped when they are old, but for the last good one', async (context) => {
      const { db } = await open(context);
      for (const revision of ['a', 'b']) await acceptRevision(db, { revision, ...pushed }, NOW_S);
      await refuseRevision(db, { revision: 'c', ...pushed }, []);
      await refuseRevision(db, { revision: 'd', ...pushed, seen_ms: NOW_MS + 10 }, []);
      assert.equal(await dropRevisions(db, NOW_MS + 5, 100), 2);
      assert.deepEqual((await listRevisions(db, 10)).map(({ revision }) => revision).sort(), ['b', 'd']);
    });
  });

  describe(`manifests on ${database}`, () => {
    const manifest = (host: string, etag: string): Manifest => ({
      host,
      etag,
      revision: 'r1',
      sequence: 7,
      environment: 'dev',
      roles: ['web', 'base'],
      resources: 3,
      packed: pack(JSON.stringify({ host, etag, password: 'hunter2' })),
    });
    const served = (host: string, etag: string) => ({ host, etag, revision: 'r2', since_ms: NOW_MS });

    it('are sealed, opened for the host that they are of, and served', async (context) => {
      const store = await open(context);
      const { db } = store;
      const many = Array.from({ length: 90 }, (_, index) => manifest(`host-${index}`, 'W/"a"'));
      await saveManifests(store, [...many, manifest('host-0', 'W/"b"')], NOW_MS);
      await serve(
        db,
        many.map(({ host, etag }) => served(host, etag)),
      );
      await serve(db, [served('host-0', 'W/"b"')]);
      const rows = await loadServed(db);
      assert.equal(rows.length, 90);
      const [zero] = await loadServed(db, ['host-0', 'nope']);
      const { packed, ...facts } = manifest('host-0', 'W/"b"');
      assert.deepEqual(zero, { ...facts, newestRevision: 'r2', since_ms: NOW_MS });
      assert.deepEqual(await packedManifest(store, facts), packed);
      assert.equal(await packedManifest(store, { host: 'host-1', etag: 'W/"b"' }), undefined);
      const { sealed } = await db
        .selectFrom('manifests')
        .select('sealed')
        .where('host', '=', 'host-1')
        .executeTakeFirstOrThrow();
      assert.ok(!Buffer.from(sealed).includes('hunter2'));
      await db.updateTable('manifests').set({ sealed }).where('host', '=', 'host-2').execute();
      await assert.rejects(packedManifest(store, { host: 'host-2', etag: 'W/"a"' }), /damaged, or sealed with another/);
      const asked = [
        { host: 'host-0', etag: 'W/"b"' },
        { host: 'host-1', etag: 'W/"b"' },
        { host: 'host-3', etag: 'W/"a"' },
      ];
      const kept = await sealedManifests(db, asked);
      assert.deepEqual([...kept.keys()], [asked[0], asked[2]]);
      for (const [name, bytes] of kept) {
        assert.deepEqual(openManifest(store.sealer, name, bytes), manifest(name.host, name.etag).packed);
      }
      await serveNoMore(db, ['host-0', 'host-1']);
      assert.equal((await loadServed(db)).length, 88);
    });

    it('are kept as long as a host gets them, or a rollout that goes on may give them', async (context) => {
      const store = await open(context);
      const { db } = store;
      const etags = ['served', 'rolling', 'ended', 'unused', 'again'];
      await saveManifests(
        store,
        etags.map((etag) => manifest('a', etag)),
        NOW_MS,
      );
      await serve(db, [served('a', 'served')]);
      for (const [etag, state] of [
        ['rolling', 'frozen'],
        ['ended', 'done'],
      ] as const) {
        const times = { started_ms: NOW_MS, updated_ms: NOW_MS, ended_ms: null };
        const values = {
          revision: 'r',
          sequence: 1,
          state,
          version: 1,
          ...times,
          why: null,
          started_by: 'x',
          plan: '{}',
        };
        const { id } = await db
          .insertInto('rollouts')
          .values({ ...values, cause: 'push' })
          .returning('id')
          .executeTakeFirstOrThrow();
        const host = { rollout: id, host: 'a', group_name: 'g', wave: 1, since_ms: NOW_MS, why: null, version: 1 };
        await db
          .insertInto('rollout_hosts')
          .values({ ...host, etag, state: 'waiting' })
          .execute();
      }
      await saveManifests(store, [manifest('a', 'again')], NOW_MS + 10);
      assert.equal(await dropManifests(db, NOW_MS + 5, 100), 2);
      const left = await db.selectFrom('manifests').select('etag').orderBy('etag').execute();
      assert.deepEqual(
        left.map(({ etag }) => etag),
        ['again', 'rolling', 'served'],
      );
    });
  });

  describe(`the audit log on ${database}`, () => {
    it('is listed newest first, by actor, action or subject, and dropped by age and number', async (context) => {
      const { db } = await open(context);
      let now_ms = NOW_MS;
      const audit = new Audit({ db, now_ms: () => now_ms++ });
      for (let index = 0; index < 10; index += 1) {
        const address = index === 9 ? undefined : '192.0.2.1';
        const actor = index % 2 === 0 ? 'token:ann' : 'token:bob';
        await audit.record({ actor, address, action: 'pause', subject: `host-${index}`, detail: { index } });
      }
      await audit.record({ actor: 'anonymous', action: 'refused', subject: '\0\u001b[2J' });
      const [odd] = await listAudit(db, { limit: 1 });
      assert.equal(odd?.subject, '??[2J');
      await db
        .deleteFrom('audit')
        .where('id', '=', odd?.id ?? 0)
        .execute();
      const [newest] = await listAudit(db, { limit: 1 });
      const { id, ...entry } = newest ?? assert.fail();
      const expected = {
        at_ms: NOW_MS + 9,
        actor: 'token:bob',
        action: 'pause',
        subject: 'host-9',
        detail: { index: 9 },
      };
      assert.deepEqual(entry, expected);
      assert.equal((await listAudit(db, { limit: 100, before: id })).length, 9);
      assert.equal((await listAudit(db, { limit: 100, actor: 'token:ann', action: 'pause' })).length, 5);
      assert.equal((await listAudit(db, { limit: 100, subject: 'host-3' }))[0]?.address, '192.0.2.1');
      const keep = { after_ms: NOW_MS + 2, entries: 5 };
      assert.equal(await dropAudit(db, keep, 100), 2);
      assert.equal(await dropAudit(db, keep, 2), 2);
      assert.equal(await dropAudit(db, keep, 2), 1);
      assert.equal(await dropAudit(db, keep, 2), 0);
      assert.equal((await listAudit(db, { limit: 100 })).at(-1)?.subject, 'host-5');
    });
  });

  it(`retention on ${database} drops what has been kept for long enough, and nothing else`, async (context) => {
    const { store, records } = await openRecords(context);
    const { db } = store;
    const run = runOf('r', { nginx: 'changed' });
    await records.add(reportOf('web-1', { run }), NOW_MS);
    const moments = { created_ms: NOW_MS, expires_ms: NOW_MS + 1000, created_by: 'ann', hash: 'x' };
    await db
      .insertInto('join_tokens')
      .values({ id: 'j', host: null, uses_left: 1, ...moments })
      .execute();
    const token = { name: 'ci', role: 'deploy' as const, last_used_ms: null, revoked_ms: null };
    await db
      .insertInto('tokens')
      .values([
        { id: 'expired', ...token, ...moments },
        { id: 'forever', ...token, ...moments, expires_ms: null },
      ])
      .execute();
    const preview = { host: 'web-1', asked_ms: NOW_MS, sealed: Uint8Array.of(1), answer: null, answered_ms: null };
    await db
      .insertInto('previews')
      .values({ id: 'p', ...preview })
      .execute();
    const retention = DEFAULT_RETENTION;
    assert.equal(await sweep({ db, retention, now_ms: NOW_MS + 1000 }), 0);
    assert.equal(await sweep({ db, retention, now_ms: NOW_MS + 7_200_000 }), 1, 'the preview');
    assert.equal(await sweep({ db, retention, now_ms: NOW_MS + retention.history_ms + 10_000 }), 3);
    assert.deepEqual(await db.selectFrom('tokens').select('id').execute(), [{ id: 'forever' }]);
  });
}

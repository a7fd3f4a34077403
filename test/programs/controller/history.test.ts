import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OperatorRole } from '../../../controller/store/tables.ts';
import { type Bench, reportOf, startBench, until } from './bench.ts';
import { TestRepository } from './git.ts';

async function as(bench: Bench, role: OperatorRole) {
  const { text } = await bench.trust.tokens.create({ name: role, role, createdBy: 'test' });
  return async (url: string, payload?: object) => {
    const method = payload === undefined ? 'GET' : 'POST';
    const headers = { authorization: `Bearer ${text}` };
    const answer = await bench.app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });
    return { status: answer.statusCode, body: answer.json() };
  };
}

async function reportRun(bench: Bench, host: string, count: number): Promise<void> {
  bench.clock.now_ms += 1000;
  const changes = [{ summary: 'content', diff: `+line ${count}\n`, hazard: 'none', outcome: 'applied' }] as const;
  const resources = [{ kind: 'files', name: '/etc/motd', status: 'changed', cause: 'corrective', changes }];
  const run = { revision: 'a'.repeat(40), dryRun: false, started_ms: count, duration_ms: 3, resources };
  const payload = { ...reportOf(host), run };
  const answer = await bench.inject({ method: 'POST', url: `/v1/hosts/${host}/reports`, payload });
  assert.equal(answer.statusCode, 204, answer.body);
}

test('runs come page by page, of all hosts or of one, and each with its diffs', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const ask = await as(bench, 'read');
  for (let count = 1; count <= 5; count += 1) await reportRun(bench, count === 3 ? 'db-1' : 'web-1', count);
  await until('written', async () => (await ask('/v1/runs')).body.runs.length === 5);
  const first = await ask('/v1/runs?limit=2');
  assert.equal(first.status, 200);
  assert.equal(first.body.runs.length, 2);
  const second = await ask(`/v1/runs?limit=2&cursor=${first.body.next}`);
  const third = await ask(`/v1/runs?limit=2&cursor=${second.body.next}`);
  assert.equal(third.body.next, undefined);
  const ids = [first, second, third].flatMap(({ body }) => body.runs.map(({ id }: { id: number }) => id));
  assert.deepEqual(
    ids,
    [...ids].sort((a, b) => b - a),
  );
  assert.equal(new Set(ids).size, 5);
  const ofHost = await ask('/v1/hosts/db-1/runs');
  assert.deepEqual(
    ofHost.body.runs.map(({ host }: { host: string }) => host),
    ['db-1'],
  );
  const one = await ask(`/v1/runs/${ofHost.body.runs[0].id}`);
  assert.equal(one.body.detail.resources[0].changes[0].diff, '+line 3\n');
  for (const [url, status, detail] of [
    ['/v1/runs?limit=0', 422, /limit: expected a number from 1 to 500/],
    ['/v1/runs?limit=501', 422, /limit: expected/],
    ['/v1/runs?cursor=x', 422, /cursor: expected a number/],
    ['/v1/runs?curser=1', 422, /curser/],
    ['/v1/runs/9999', 404, /there is no run 9999/],
    ['/v1/runs/x', 404, /there is no run x/],
    ['/v1/hosts/nobody/runs', 404, /no file hosts\/nobody.yaml/],
    ['/v1/hosts/..%2Fx/runs', 404, /no file/],
  ] as const) {
    const answer = await ask(url);
    assert.equal(answer.status, status, url);
    assert.match(answer.body.detail, detail);
  }
});

test('revisions tell what was refused and why, and pages of them hold each once', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const good = await repository.git('rev-parse', 'HEAD');
  const ask = await as(bench, 'read');
  await until('kept', async () => (await ask('/v1/revisions')).body.revisions.length === 1);
  const { body } = await ask('/v1/revisions');
  assert.deepEqual([body.revisions[0].revision, body.revisions[0].state], [good, 'good']);
  const row = { state: 'refused', seen_ms: 5, sequence: null, pushed_by: 'token:ann', pushed_from: null } as const;
  const issues = JSON.stringify([{ file: 'roles/web.yaml', line: 1, column: 2, message: 'wrong', hosts: [] }]);
  const more = ['a', 'b', 'c'].map((letter) => ({ ...row, issues, subject: letter, revision: letter.repeat(40) }));
  await bench.store.db.insertInto('revisions').values(more).execute();
  const seen: string[] = [];
  let cursor = '';
  do {
    const page = await ask(`/v1/revisions?limit=1${cursor}`);
    seen.push(page.body.revisions[0].subject);
    cursor = page.body.next === undefined ? '' : `&cursor=${page.body.next}`;
  } while (cursor !== '');
  assert.deepEqual(seen.slice(1), ['c', 'b', 'a']);
  const last = await ask('/v1/revisions?limit=4');
  assert.match(last.body.revisions[3].issues[0].text, /roles\/web.yaml:1:2 wrong/);
  assert.equal((await ask('/v1/revisions?cursor=1')).status, 422);
});

test('the audit log is for administrators, and can be narrowed', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const ask = await as(bench, 'admin');
  assert.equal((await ask('/v1/hosts/web-1/pause', { for: '1h', why: 'looking' })).status, 200);
  assert.equal((await ask('/v1/tokens', { name: 'bob', role: 'read' })).status, 201);
  const all = await ask('/v1/audit');
  assert.deepEqual(
    all.body.audit.map(({ action }: { action: string }) => action),
    ['token.create', 'pause'],
  );
  assert.deepEqual([all.body.audit[1].actor, all.body.audit[1].detail.why], ['token:admin', 'looking']);
  assert.equal((await ask('/v1/audit?subject=web-1')).body.audit.length, 1);
  assert.equal((await ask('/v1/audit?action=nothing')).body.audit.length, 0);
  assert.equal((await (await as(bench, 'deploy'))('/v1/audit')).status, 403);
});

test('a tree that nobody has committed is planned, or refused with every issue', async (context) => {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const ask = await as(bench, 'deploy');
  const file = (text: string) => ({ content: Buffer.from(text).toString('base64') });
  const files = {
    'environments/dev.yaml': file('network: 10.0.0.0/8\n'),
    'hosts/new-1.yaml': file('environment: dev\nroles: [web]\naddress: 10.0.0.99\n'),
    'roles/web.yaml': file('services:\n  nginx: stopped\n'),
  };
  const plan = await ask('/v1/plan/tree', { files, bound_ms: 0 });
  assert.equal(plan.status, 200, JSON.stringify(plan.body));
  const planned = plan.body.hosts.find(({ host }: { host: string }) => host === 'new-1');
  assert.deepEqual(
    planned.changes.map(({ name }: { name: string }) => name),
    ['agent', 'mode', 'nginx'],
  );
  const gone = plan.body.hosts.find(({ host }: { host: string }) => host === 'web-1');
  assert.match(gone.note, /no host any more/);
  const broken = await ask('/v1/plan/tree', { files: { ...files, 'roles/web.yaml': file('pakages: {}\n') } });
  assert.equal(broken.status, 422);
  assert.match(broken.body.issues[0].text, /roles\/web.yaml:1:1 unknown key "pakages", did you mean "packages"/);
  for (const path of ['../x', '/etc/passwd', 'roles/../../x', 'README', 'roles/', 'roles//x', 'roles/./x']) {
    assert.equal((await ask('/v1/plan/tree', { files: { [path]: file('x') } })).status, 422, path);
  }
  assert.equal((await ask('/v1/plan/tree', { files: { 'roles/x': { content: 'not base64!' } } })).status, 422);
});

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Tree } from '../../../../controller/compile/tree.ts';
import type { Preview } from '../../../../desired-state/schema/preview.ts';
import { good, treeOf } from '../../../unit/compile/tree.ts';
import { type Bench, reportOf, startBench, until } from '../bench.ts';
import { TestRepository } from '../git.ts';

/** Agents as the controller sees them: they hold a request, take what comes, and report. */
class Agent {
  readonly bench: Bench;
  readonly host: string;
  etag = '';
  headers: Record<string, unknown> = {};
  /** Manifests that it was only asked to look at. */
  readonly looked: string[] = [];
  preview: Partial<Preview> | undefined;

  constructor(bench: Bench, host: string) {
    this.bench = bench;
    this.host = host;
  }

  /** Asks once, and is held where there is nothing new. */
  async ask(seconds = 60): Promise<number> {
    const pause = this.headers['holdfast-pause'];
    const order = typeof pause === 'string' && pause !== 'none' ? JSON.parse(decodeURIComponent(pause)) : undefined;
    const answer = await this.bench.inject({
      url: `/v1/hosts/${this.host}/manifest?wait=${seconds}`,
      headers: {
        'holdfast-accepts': 'preview, pause',
        'holdfast-pause-known': String(order?.since_ms ?? 'none'),
        ...(this.etag === '' ? {} : { 'if-none-match': this.etag }),
      },
    });
    this.headers = answer.headers;
    const id = answer.headers['holdfast-preview'];
    if (typeof id === 'string') {
      this.looked.push(answer.body);
      if (this.preview !== undefined) {
        const nothing = { host: this.host, revision: 'r', changes: [], problems: [], more: 0 };
        const payload = { ...nothing, ...this.preview };
        await this.bench.inject({ method: 'POST', url: `/v1/hosts/${this.host}/previews/${id}`, payload });
      }
    } else if (answer.statusCode === 200) {
      this.etag = String(answer.headers.etag);
      await this.report(JSON.parse(answer.body).sequence, answer.headers['holdfast-revision']);
    }
    return answer.statusCode;
  }

  async report(sequence: number, revision: unknown, status: 'converged' | 'failed' = 'converged'): Promise<void> {
    const resources = [{ kind: 'services', name: 'nginx', status }];
    const run = { revision: String(revision), sequence, dryRun: false, started_ms: 1, duration_ms: 1, resources };
    const payload = reportOf(this.host, { runningRevision: String(revision), run });
    const url = `/v1/hosts/${this.host}/reports`;
    assert.equal((await this.bench.inject({ method: 'POST', url, payload })).statusCode, 204);
    await this.bench.fleet.rollouts.settled();
  }
}

async function start(context: TestContext): Promise<{ bench: Bench; repository: TestRepository; agents: Agent[] }> {
  const repository = await TestRepository.create(context);
  await repository.commit({
    'hosts/web-2.yaml': 'environment: dev\nroles: [web]\naddress: 10.0.0.16\n',
    'roles/web.yaml': web('running'),
  });
  const bench = await startBench(context, repository.path);
  await bench.intake.refresh();
  const agents = ['db-1', 'web-1', 'web-2'].map((host) => new Agent(bench, host));
  for (const agent of agents) assert.equal(await agent.ask(0), 200);
  return { bench, repository, agents };
}

const web = (state: string): string => `services:\n  nginx: ${state}\nrollout: { canary: 1, hold: 0s }\n`;

const held = (bench: Bench, count: number): Promise<void> =>
  until(`${count} held`, () => bench.waiters.count === count);

test('a push wakes the canary alone, and the next when the canary has reported', async (context) => {
  const { bench, repository, agents } = await start(context);
  const [, canary, other] = agents;
  assert.ok(canary && other);
  const canaryAsks = canary.ask();
  const otherAsks = other.ask();
  await held(bench, 2);
  const revision = await repository.commit({ 'roles/web.yaml': web('stopped') });
  await bench.intake.refresh();
  assert.equal(await otherAsks, 304);
  assert.equal(other.headers['holdfast-wanted-revision'], revision);
  assert.equal(other.headers['holdfast-why-different'], 'waits for wave 2 of 2 of dev/web');
  assert.equal(await canaryAsks, 200);
  assert.equal(await other.ask(), 200);
  const { hosts } = (await bench.inject('/v1/hosts')).json();
  assert.deepEqual(
    hosts.map(({ host, state, wantedRevision }: Record<string, string>) => [host, state, wantedRevision === revision]),
    [
      ['db-1', 'converged', true],
      ['web-1', 'converged', true],
      ['web-2', 'converged', true],
    ],
  );
});

test('the status of a host that waits says for what, and what it shall run in the end', async (context) => {
  const { bench, repository, agents } = await start(context);
  const before = (await bench.manifest('web-2')).revision;
  const revision = await repository.commit({ 'roles/web.yaml': web('stopped') });
  await bench.intake.refresh();
  const status = (await bench.inject('/v1/hosts/web-2')).json();
  assert.deepEqual(
    [status.state, status.why, status.wantedRevision, status.runningRevision],
    ['behind', 'waits for wave 2 of 2 of dev/web', revision, before],
  );
  await bench.manifest('web-1');
  const served = bench.fleet.serving.get('web-1');
  await agents[1]?.report(served?.sequence ?? 0, revision, 'failed');
  const paused = (await bench.inject('/v1/hosts/web-2')).json();
  assert.match(paused.why, /^waits for wave 2 of 2 of dev\/web; rollout \d+ is paused: web-1 failed/);
});

test('a preview asks the hosts over their held requests, and changes nothing', async (context) => {
  const { bench, agents } = await start(context);
  const [db, one, two] = agents;
  assert.ok(db && one && two);
  const change = { kind: 'services', name: 'nginx', summary: 'stop (it runs)', hazard: 'restart' as const };
  one.preview = { changes: [change] };
  const before = await bench.manifest('web-1');
  const asking = [one.ask(), two.ask()];
  await held(bench, 2);
  const compilation = await bench.intake.compile(treeWith(web('stopped')), 'preview');
  const plans = await bench.fleet.planner.plan(compilation, { bound_ms: 700, signal: AbortSignal.timeout(5000) });
  await Promise.all(asking);
  assert.deepEqual(plans, [
    { host: 'db-1', source: 'manifests', changes: [] },
    { host: 'web-1', source: 'agent', changes: [change] },
    {
      host: 'web-2',
      source: 'manifests',
      changes: [{ kind: 'services', name: 'nginx', summary: 'declared otherwise: state, enabled', hazard: 'restart' }],
      note: 'from comparing manifests: it did not answer in time',
    },
  ]);
  assert.equal(one.looked.length, 1);
  assert.deepEqual(await bench.manifest('web-1'), before);
  assert.deepEqual(await bench.store.db.selectFrom('previews').selectAll().execute(), []);
  const late = { method: 'POST' as const, url: '/v1/hosts/web-1/previews/none' };
  const payload = { host: 'web-1', revision: 'r', changes: [], problems: [], more: 0 };
  assert.equal((await bench.inject({ ...late, payload })).statusCode, 404);
  assert.equal((await bench.inject({ ...late, payload: { ...payload, host: 'db-1' } })).statusCode, 422);
});

function treeWith(role: string): Tree {
  const two = 'environment: dev\nroles: [web]\naddress: 10.0.0.16\n';
  return treeOf({ ...good, 'hosts/web-2.yaml': two, 'roles/web.yaml': role });
}

test('a pause is told to the host at once, and again with every answer until it ends', async (context) => {
  const { bench, agents } = await start(context);
  const [, agent] = agents;
  assert.ok(agent);
  assert.equal(agent.headers['holdfast-pause'], 'none');
  const asks = agent.ask();
  await held(bench, 1);
  const url = '/v1/hosts/web-1/pause';
  const authorization = await operator(bench);
  const order = (payload: object) => bench.app.inject({ method: 'POST', url, payload, headers: { authorization } });
  assert.equal((await order({ for: '1h' })).statusCode, 422);
  assert.equal((await order({ for: '30d', why: 'upgrade' })).statusCode, 422);
  assert.equal((await order({ for: '1h', why: 'upgrade' })).statusCode, 200);
  assert.equal(await asks, 304);
  const { by, why, until_ms } = pauseOf(agent);
  assert.deepEqual([by, why, until_ms - bench.clock.now_ms], ['ops', 'upgrade', 3_600_000]);
  const holds = agent.ask();
  await held(bench, 1);
  const ended = await bench.app.inject({ method: 'DELETE', url, headers: { authorization } });
  assert.equal(ended.statusCode, 204);
  assert.equal(await holds, 304);
  assert.equal(agent.headers['holdfast-pause'], 'none');
  assert.equal((await bench.app.inject({ method: 'DELETE', url, headers: { authorization } })).statusCode, 404);
  const actions = (await bench.store.db.selectFrom('audit').select(['action', 'subject']).execute()).map(
    ({ action, subject }) => `${action} ${subject}`,
  );
  assert.ok(actions.includes('pause web-1') && actions.includes('resume web-1'));
});

test('a pause that is ordered between two requests is not kept from the host', async (context) => {
  const { bench, agents } = await start(context);
  const [, agent] = agents;
  assert.ok(agent);
  await bench.fleet.pauses.set('web-1', { for_ms: 60_000, why: 'upgrade', by: 'ann' });
  assert.equal(await agent.ask(), 304, 'answered at once');
  bench.clock.now_ms += 60_001;
  assert.equal(await agent.ask(), 304);
  assert.equal(agent.headers['holdfast-pause'], 'none', 'it ends by itself');
});

function pauseOf({ headers }: Agent): Record<string, string | number> & { readonly until_ms: number } {
  const text: unknown = headers['holdfast-pause'];
  assert.ok(typeof text === 'string');
  return JSON.parse(decodeURIComponent(text));
}

async function operator({ trust }: Bench): Promise<string> {
  const { text } = await trust.tokens.create({ name: 'ops', role: 'deploy', createdBy: 'test' });
  return `Bearer ${text}`;
}

test('operators see rollouts, and resume, pause and abort the one that is under way', async (context) => {
  const { bench, repository, agents } = await start(context);
  const authorization = await operator(bench);
  const call = async (path: string, payload?: object) => {
    const method = payload === undefined ? 'GET' : 'POST';
    const asked = { method, url: `/v1/rollouts${path}`, headers: { authorization } } as const;
    const answer = await bench.app.inject(payload === undefined ? asked : { ...asked, payload });
    return { status: answer.statusCode, body: answer.json() };
  };
  assert.equal((await call('/current/abort', { why: 'x' })).status, 409, 'none is under way');
  const revision = await repository.commit({ 'roles/web.yaml': web('stopped') });
  await bench.intake.refresh();
  const current = await call('/current');
  assert.deepEqual([current.body.revision, current.body.counts], [revision, { offered: 1, waiting: 1 }]);
  assert.equal((await call('/current/pause', {})).body.detail, 'missing key "why"');
  assert.equal((await call('/current/pause', { why: 'lunch' })).body.why, 'by ops: lunch');
  await agents[1]?.ask(0);
  assert.equal((await call('/current')).body.counts.waiting, 1);
  assert.equal((await call('/current/resume', {})).body.state, 'running');
  assert.equal((await call('/current')).body.counts.waiting, undefined);
  assert.equal((await call('/current/abort', { why: 'enough', rollback: true })).status, 200);
  const [newest, before] = (await call('?limit=2')).body.rollouts;
  assert.deepEqual([newest.cause, before.state, before.why], ['rollback', 'aborted', 'by ops: enough']);
  assert.equal((await call(`/${before.id}`)).body.state, 'aborted');
  assert.equal((await call('/99')).status, 404);
  assert.equal((await call('/x')).status, 404);
  const { text } = await bench.trust.tokens.create({ name: 'looker', role: 'read', createdBy: 'test' });
  const headers = { authorization: `Bearer ${text}` };
  const url = '/v1/rollouts/current/resume';
  assert.equal((await bench.app.inject({ method: 'POST', url, payload: {}, headers })).statusCode, 403);
  const audit = await bench.store.db.selectFrom('audit').select('action').where('actor', '=', 'token:ops').execute();
  assert.deepEqual(audit.map(({ action }) => action).sort(), ['rollout.abort', 'rollout.pause', 'rollout.resume']);
});

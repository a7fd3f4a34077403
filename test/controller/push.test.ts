/** A push over TLS to a controller as a process, with its real rollouts; the hosts are played by the test. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../programs/controller/bench.ts';
import { WorkTree } from '../programs/controller/git/bench.ts';
import type { EnrolledHost } from './call.ts';
import { type ControllerProcess, startController } from './controller-process.ts';

let controller: ControllerProcess;
let work: WorkTree;
let web: EnrolledHost;
const closers: (() => Promise<void> | void)[] = [];
const context = { after: (close: () => Promise<void> | void) => void closers.push(close) };

before(async () => {
  controller = await startController({ hosted: true });
  work = await WorkTree.create(context);
});

after(async () => {
  await controller?.stop();
  for (const close of closers) await close();
});

function push(...refs: readonly string[]): ReturnType<WorkTree['tryGit']> {
  const { url, operator, stateDirectory } = controller;
  const token = ['-c', `http.extraHeader=Authorization: Bearer ${operator.token}`];
  const args = [...token, 'push', `${url}/desired-state.git`, ...(refs.length === 0 ? ['HEAD:main'] : refs)];
  return work.tryGit(args, { GIT_SSL_CAINFO: join(stateDirectory, 'ca.crt') });
}

interface Served {
  readonly served: { readonly revision: string };
}

const served = async (): Promise<string> =>
  (await controller.operator.call({ path: '/v1/status' })).json<Served>().served.revision;

async function manifest(): Promise<{ readonly revision: string; readonly sequence: number }> {
  const answer = await web.call({ path: 'manifest' });
  assert.equal(answer.status, 200, answer.body);
  return answer.json();
}

/** As an agent does after its run. */
async function report(more: { readonly error?: string } = {}): Promise<void> {
  const { revision, sequence } = await manifest();
  const resource =
    more.error === undefined
      ? { kind: 'services', name: 'nginx', status: 'converged' }
      : { kind: 'services', name: 'nginx', status: 'failed', error: more.error };
  const answer = await web.call({
    path: 'reports',
    body: {
      host: 'web-1',
      agentVersion: '0.1.0',
      sentAt_ms: Date.now(),
      mode: 'enforce',
      runningRevision: revision,
      past: [],
      pastDropped: 0,
      run: { revision, sequence, dryRun: false, started_ms: Date.now(), duration_ms: 5, resources: [resource] },
    },
  });
  assert.equal(answer.status, 204, answer.body);
}

const change = (text: string): Promise<string> =>
  work.commit({ 'roles/web.yaml': `services: { nginx: running }\nfiles: { /etc/note: { content: ${text} } }\n` });

test('nothing has been pushed: that is said, and how it is done', async () => {
  const status = await controller.operator.call({ path: '/v1/status' });
  assert.match(status.body, /nothing has been pushed yet: git push https:/);
});

test('the first push is taken, hosts that never called are not waited for', async () => {
  const first = await push().ended;
  assert.equal(first.code, 0, first.text);
  assert.match(first.remote.at(-1) ?? '', /^nothing to do on any host|^done: /);
  assert.equal(await served(), await work.git('rev-parse', 'HEAD'));
  web = await controller.operator.enroll('web-1');
  await report();
});

test('a broken tree is refused by the process as by the bench', async () => {
  const before_push = await served();
  await work.commit({ 'roles/web.yaml': 'servces: {}\n' });
  const broken = await push().ended;
  assert.equal(broken.code, 1);
  assert.match(
    broken.remote[0] ?? '',
    /^desired-state\/roles\/web\.yaml:1:1 unknown key "servces", did you mean "services"\?$/,
  );
  assert.equal(await served(), before_push);
});

test('a push is followed to the report of the host', async () => {
  const revision = await change('one');
  const pushing = push();
  await pushing.said(/accepted/);
  await until('the host is given it', async () => (await manifest()).revision === revision);
  await report();
  const { code, remote, text } = await pushing.ended;
  assert.equal(code, 0, text);
  assert.ok(
    remote.some((line) => line.startsWith('web-1: 1 file, no restart (from comparing manifests')),
    text,
  );
  assert.ok(remote.includes('db-1: nothing'), text);
  assert.ok(
    remote.some((line) => /^web-1 converged in \d+\.\d s$/.test(line)),
    text,
  );
  assert.match(remote.at(-1) ?? '', /^done: 1 host in \d+\.\d s$/);
});

test('a failure ends the stream and says what to do; the fix is one push', async () => {
  const revision = await change('two');
  const pushing = push();
  await until('the host is given it', async () => (await manifest()).revision === revision);
  await report({ error: 'nginx does not start' });
  const { remote, text } = await pushing.ended;
  assert.ok(
    remote.some((line) => line.startsWith('web-1 FAILED: services/nginx: nginx does not start')),
    text,
  );
  assert.match(remote.at(-1) ?? '', /^the rollout is paused by web-1.*push the fix, or: holdfast rollout resume/);
  const fix = await change('three');
  const fixing = push();
  await until('the host is given the fix', async () => (await manifest()).revision === fix);
  await report();
  assert.equal((await fixing.ended).code, 0);
});

test('a second push takes over from the first, whose pusher is told', async () => {
  await change('four');
  const first = push();
  await first.said(/accepted/);
  await until('the first is on its way', async () => (await served()) === (await work.git('rev-parse', 'HEAD')));
  const last = await change('five');
  const second = push();
  const { remote, text } = await first.ended;
  assert.match(remote.at(-1) ?? '', /^a newer push has taken over/, text);
  await until('the host is given the last', async () => (await manifest()).revision === last);
  await report();
  assert.match((await second.ended).remote.at(-1) ?? '', /^done: 1 host/);
});

test('a controller that is killed while a push is followed loses nothing, and the pusher is told', async () => {
  const revision = await change('six');
  const pushing = push();
  await until('it is on its way', async () => (await served()) === revision);
  const ended = once(controller.process, 'exit');
  controller.process.kill('SIGKILL');
  await ended;
  assert.notEqual((await pushing.ended).code, null);
  const { port } = new URL(controller.url);
  const { folder } = controller;
  controller = await startController({ hosted: true, folder, args: ['--listen', `127.0.0.1:${port}`] });
  assert.equal(await served(), revision);
  await report();
  await until('the rollout is done', async () => {
    const answer = await controller.operator.call({ path: '/v1/rollouts' });
    return answer.json<{ rollouts: readonly { revision: string; state: string }[] }>().rollouts[0]?.state === 'done';
  });
});

test('who pushed, and what was refused, is in the audit log', async () => {
  const answer = await controller.operator.call({ path: '/v1/audit' });
  const actions = answer
    .json<{ audit: readonly { action: string; actor: string }[] }>()
    .audit.map(({ action, actor }) => `${action} ${actor}`);
  assert.ok(actions.includes('push token:admin'), actions.join());
  assert.ok(actions.includes('push.refused token:admin'), actions.join());
});

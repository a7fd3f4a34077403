/** What a person does with Holdfast, from the first command to the last. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import type { AgentStatus } from '../../agent/daemon/status.ts';
import { docker } from '../hosts/docker.ts';
import type { Host } from '../hosts/host.ts';
import { openBrowser, TodoPage } from './browser.ts';
import { converged, LocalSet } from './local-set.ts';

const SCREENSHOTS = join(import.meta.dirname, '../../dist/screenshots');

let set: LocalSet;
let browser: Browser;
let web: Host;

before(async () => {
  set = await LocalSet.create();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await set?.dispose();
});

test('up converges blank hosts and says where the site is and how to go on', async () => {
  const { code, stdout, stderr } = await set.run('up');
  assert.equal(code, 0, stderr);
  web = await set.host('web');
  assert.ok(stdout.includes(set.url), stdout);
  assert.match(stdout, /db-1 {2}converged/);
  assert.match(stdout, /web-1 {2}converged/);
  assert.match(stdout, /git push/);
  assert.ok(converged('db-1', 'web-1')(await set.status()));
});

test('up again changes nothing', async (t) => {
  const before_ = await fingerprint();
  const started = performance.now();
  const { code, stderr } = await set.run('up');
  const took_ms = performance.now() - started;
  assert.equal(code, 0, stderr);
  t.diagnostic(`up again took ${Math.round(took_ms)} ms`);
  assert.deepEqual(await fingerprint(), before_);
});

test('a visitor adds, completes and deletes todos, and finds the rest after a reload', async () => {
  const todos = await TodoPage.open(browser, set.url);
  for (const title of ['Buy bread', 'Water the plants', 'Call <b>Ada</b>']) await todos.add(title);
  await todos.complete('Water the plants');
  await todos.remove('Buy bread');
  const rest = ['Water the plants (done)', 'Call <b>Ada</b>'];
  assert.deepEqual(await todos.todos(), rest);
  await todos.reload();
  assert.deepEqual(await todos.todos(), rest);
  await mkdir(SCREENSHOTS, { recursive: true });
  await todos.page.screenshot({ path: join(SCREENSHOTS, 'todos.png') });
});

test('a pushed manifest says what it will do, converges, and says so', async (t) => {
  assert.equal(await gunicornWorkers(), 3);
  const { commit, code, said } = await set.push({
    repository: 'desired-state',
    file: 'desired-state/roles/web.yaml',
    edit: (text) => text.replace('workers: 3', 'workers: 2'),
  });
  t.diagnostic(said);
  assert.equal(code, 0, said);
  assert.match(said, /^remote: web-1: /m);
  assert.match(said, /^remote: db-1: nothing/m);
  assert.match(said, /^remote: web-1 converged in \d+(?:\.\d)? s/m);
  assert.match(said, /^remote: done: 1 host in /m);
  const { hosts } = await set.status();
  assert.equal(hosts.find(({ host }) => host === 'web-1')?.runningRevision, commit);
  assert.ok(converged('db-1', 'web-1')(await set.status()));
  assert.equal(await gunicornWorkers(), 2);
  assert.equal((await TodoPage.open(browser, set.url).then((page) => page.todos())).length, 2);
});

test('a server that was broken by hand heals, and the status tells of it', async () => {
  await web.sh(
    'rm /etc/nginx/sites-enabled/todo /etc/ssl/holdfast/todo.crt; systemctl stop nginx; pkill -9 -u todo || true',
  );
  await until('the site answers again', siteAnswers);
  // The run that has healed it may still be at work: it is told when it is over.
  await until('the status tells of the repair', async () => (await repairedKinds()).includes('nginx'));
  await set.until('web-1 is converged', converged('web-1'));
  assert.equal((await TodoPage.open(browser, set.url).then((page) => page.todos())).length, 2);
});

test('a bad release is refused while the old one keeps serving, and a good one follows', async () => {
  const old = await release();
  const bad = await set.push({
    repository: 'todomvc',
    file: 'todo/wsgi.py',
    edit: (text) => `raise RuntimeError('a bad release')\n${text}`,
  });
  assert.equal(bad.code, 0, bad.said);
  const { hosts } = await set.until('web-1 says that the release is bad', ({ hosts: all }) =>
    all.some(({ host, state }) => host === 'web-1' && state === 'failed'),
  );
  assert.match(hosts.find(({ host }) => host === 'web-1')?.why ?? '', /releases\/todo/);
  assert.equal(await release(), old);
  const todos = await TodoPage.open(browser, set.url);
  assert.equal((await todos.todos()).length, 2);

  const good = await set.push({
    repository: 'todomvc',
    file: 'todo/wsgi.py',
    edit: (text) => text.replace("raise RuntimeError('a bad release')\n", ''),
  });
  assert.equal(good.code, 0, good.said);
  await set.until('web-1 is converged', converged('web-1'));
  await until('the good release serves', async () => (await release()) !== old);
  assert.ok(
    good.commit.startsWith((await release()).slice(0, 7)),
    `${await release()} serves, ${good.commit} was pushed`,
  );
});

test('a broken manifest is refused in the terminal of who pushes it, and reaches no host', async () => {
  const { served } = await set.status();
  const { code, said } = await set.push({
    repository: 'desired-state',
    file: 'desired-state/roles/web.yaml',
    edit: (text) => text.replace('packages:\n  nginx: present', 'pakages:\n  nginx: present'),
  });
  assert.notEqual(code, 0, said);
  assert.match(
    said,
    /^remote: desired-state\/roles\/web\.yaml:\d+:\d+ unknown key "pakages", did you mean "packages"\?/m,
  );
  const after_ = await set.status();
  assert.equal(after_.served.revision, served.revision);
  assert.ok(converged('db-1', 'web-1')(after_));
  assert.ok(await siteAnswers());
});

test('down leaves nothing of the set on the machine', async () => {
  const { code, stderr } = await set.run('down');
  assert.equal(code, 0, stderr);
  const label = `label=com.docker.compose.project=${set.project}`;
  assert.equal(await docker(['ps', '--all', '--quiet', '--filter', label]), '');
  assert.equal(await docker(['network', 'ls', '--quiet', '--filter', label]), '');
  assert.equal(existsSync(set.stateFolder), false);
});

/** What would differ if anything had been restarted, installed, pushed or served anew. */
async function fingerprint(): Promise<unknown> {
  const parts = await Promise.all(
    (['controller', 'db', 'web'] as const).map(async (service) => {
      const host = await set.host(service);
      const unit = service === 'controller' ? 'holdfast-controller' : 'holdfast-agent';
      const started = await host.mustExec([
        'systemctl',
        'show',
        '--value',
        '-p',
        'ExecMainStartTimestampMonotonic',
        unit,
      ]);
      const packages = await host.mustExec(['dpkg-query', '--show']);
      return { service, container: host.container, started, packages };
    }),
  );
  const { served } = await set.status();
  return { parts, served };
}

async function gunicornWorkers(): Promise<number> {
  const children = await web.sh(`ps -u todo -o ppid=,args= | grep '[g]unicorn: worker' | wc -l`).catch(() => '0');
  return Number(children);
}

async function siteAnswers(): Promise<boolean> {
  return (
    (await web.exec(['curl', '--insecure', '--silent', '--fail', '--max-time', '5', `${set.url}/healthz`])).code === 0
  );
}

/** Name of the release that serves. */
async function release(): Promise<string> {
  const answer: { release: string } = JSON.parse(
    await web.mustExec([
      'curl',
      '--insecure',
      '--silent',
      '--show-error',
      '--fail',
      '--max-time',
      '5',
      `${set.url}/healthz`,
    ]),
  );
  return answer.release;
}

/** The kinds of what the agent of web-1 has put right last, without that somebody had changed what is wanted. */
async function repairedKinds(): Promise<readonly string[]> {
  const { resources }: AgentStatus = JSON.parse((await web.exec(['holdfast-agent', 'status', '--json'])).stdout);
  return resources.filter(({ lastChange }) => lastChange?.cause === 'corrective').map(({ kind }) => kind);
}

async function until(what: string, isSo: () => Promise<boolean>, timeout_ms = 60_000): Promise<void> {
  const deadline = Date.now() + timeout_ms;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeout_ms} ms: ${what}`);
    await delay(200);
  }
}

/**
 * The agent is killed at random moments while it deploys, changes configurations and converges blank hosts: the next run
 * ends converged, and nothing is half done. `HOLDFAST_SEED` repeats a run; a hundred kills with `npm run test:long`.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { AgentOnHost } from '../conformance/agent-on-host.ts';
import { PRELUDE } from '../drift/case.ts';
import {
  baseImage,
  convergedImages,
  type Deployment,
  deploymentOn,
  mustConverge,
  randomSecrets,
  SIDES,
  type Side,
  startDeployment,
} from '../drift/deployment.ts';
import { todosOf } from '../drift/site.ts';
import { startHost } from '../hosts/host.ts';
import {
  assertNextRunConverges,
  assertNothingHalfWritten,
  assertNothingIsLeft,
  assertStateIsReadable,
} from './aftermath.ts';
import { randomFrom, runAndKill, type Victims } from './kill.ts';

const LONG = process.env['HOLDFAST_LONG'] === '1';
/** Kills by what the run is doing. A blank host takes a minute of work for each, so there are fewer of them. */
const KILLS = LONG ? { release: 40, configuration: 44, blank: 16 } : { release: 2, configuration: 2, blank: 2 };

const seed = Number(process.env['HOLDFAST_SEED'] ?? randomInt(2 ** 31));
const random = randomFrom(seed);
/** What the runs so far took that nobody killed: the moment of a kill is drawn from it. */
const typical_ms = { release: 10_000, configuration: 8_000, blank: 30_000 };
type Work = keyof typeof typical_ms;

void test(`the agent is killed while it works (HOLDFAST_SEED=${seed})`, async (t) => {
  await using deployment = await startDeployment(await convergedImages());
  await deployment.converge();
  for (let at = 1; at <= KILLS.release; at += 1) await killRelease(t, deployment, at);
  for (let at = 1; at <= KILLS.configuration; at += 1) await killConfiguration(t, deployment, at);
  for (let at = 1; at <= KILLS.blank; at += 1) await killBlank(t, deployment, at % 2 === 0 ? 'db' : 'web', at);
});

/** A commit is waiting: another text of the application, and every other time another virtualenv. */
async function killRelease(t: TestContext, deployment: Deployment, at: number): Promise<void> {
  const packages = at % 2 === 0 ? `printf '# %s\\n' ${at} >>requirements.txt;` : '';
  const commit = await deployment.application.commit(`${packages} echo '# ${at}' >>todo/urls.py`);
  await kill(t, { title: `release ${at}`, work: 'release', agent: deployment.web, deployment }, async () => {
    const { host } = deployment.web;
    const answer = await host.sh('curl -fsS --unix-socket /run/todo/gunicorn.sock http://localhost/healthz');
    assert.match(answer, new RegExp(commit.slice(0, 12)));
    await siteIsThere(deployment);
  });
}

/** New secrets on both hosts, and other files: each with a process that has to take them. */
async function killConfiguration(t: TestContext, deployment: Deployment, at: number): Promise<void> {
  for (const [name, secret] of randomSecrets()) deployment.secrets.set(name, secret);
  await deployment.writeManifests(`configuration-${at}`, {
    'roles/extras.yaml': (text) => text.replace('answer = 42', `answer = ${at + 100}`),
    'roles/db.yaml': (text) =>
      text
        .replace('  settings:\n', `  settings:\n    work_mem: ${at + 4}MB\n    max_connections: ${at + 60}\n`)
        .replace('  roles:\n', `    - { user: all, from: 10.${at}.0.0/16, method: scram-sha-256 }\n  roles:\n`),
    'templates/nginx/status.conf.mustache': (text) =>
      text.replace('access_log off;', `access_log off;\n    location = /answer { return 200 "${at}"; }`),
  });
  // One host is killed, and the other one simply runs: in turns.
  const [killed, other]: readonly Side[] = at % 2 === 0 ? ['db', 'web'] : ['web', 'db'];
  if (killed === undefined || other === undefined) return;
  if (other === 'db') await mustConverge(deployment.db);
  await kill(
    t,
    { title: `configuration ${at}`, work: 'configuration', agent: deployment[killed], deployment },
    async () => {
      if (other === 'web') await mustConverge(deployment.web);
      await configurationRuns(deployment, at);
    },
  );
}

/** With other eyes than the agent's: every process runs what is on disk. */
async function configurationRuns(deployment: Deployment, at: number): Promise<void> {
  const password = deployment.secrets.get('todo_db_password')?.reveal() ?? '';
  const token = deployment.secrets.get('report_token')?.reveal() ?? '';
  await deployment.db.host.sh(`${PRELUDE}
    test "$(psql_do 'show work_mem')" = ${at + 4}MB
    test "$(psql_do 'show max_connections')" = ${at + 60}
    test "$(psql_do "select count(*) from pg_hba_file_rules where address = '10.${at}.0.0'")" = 1
    test "$(psql_do 'select count(*) from pg_settings where pending_restart')" = 0`);
  await deployment.web.host.sh(
    `${PRELUDE}
    read -r PASSWORD; read -r TOKEN
    test "$(curl -fsS http://127.0.0.1:81/answer)" = ${at}
    grep -qF "DATABASE_PASSWORD=\\"$PASSWORD\\"" "$SLOT"
    started_after "$(supervisorctl pid "todo-$LIVE:todo-$LIVE")" "$SLOT"
    grep -qzFx "REPORT_TOKEN=$TOKEN" /proc/$(supervisorctl pid reporter)/environ
    test -z "$(supervisorctl reread | grep -v 'No config updates')"`,
    { input: `${password}\n${token}\n` },
  );
  await siteIsThere(deployment);
}

async function siteIsThere({ web }: Deployment): Promise<void> {
  assert.deepEqual(await todosOf(web.host.address), []);
}

async function killBlank(t: TestContext, deployment: Deployment, side: Side, at: number): Promise<void> {
  await using host = await startHost({ name: `${side}-1`, image: await baseImage() });
  const other = side === 'db' ? deployment.web.host : deployment.db.host;
  const pair = side === 'db' ? { db: host, web: other } : { db: other, web: host };
  const fresh = await deploymentOn({ ...pair, extras: false });
  await using _application = fresh.application;
  await using _git = { [Symbol.asyncDispose]: () => fresh.git.close() };
  if (side === 'web') await mustConverge(fresh.db);
  await kill(t, { title: `blank ${side} ${at}`, work: 'blank', agent: fresh[side], deployment: fresh }, async () => {
    if (side === 'web') await siteIsThere(fresh);
  });
}

async function kill(
  t: TestContext,
  { title, work, agent, deployment }: { title: string; work: Work; agent: AgentOnHost; deployment: Deployment },
  check: () => Promise<unknown>,
): Promise<void> {
  const victims: Victims = random() < 0.5 ? 'agent' : 'all';
  const after_ms = Math.round(random() * typical_ms[work]);
  let passed = false;
  await t.test(`${title}: ${victims} after ${after_ms} ms on ${agent.host.name}`, async (at) => {
    const before = await agent.host.snapshot();
    const wasKilled = await runAndKill(agent, after_ms, victims);
    const killed = await agent.host.snapshot();
    if (!wasKilled) {
      at.diagnostic('the run had ended before');
      typical_ms[work] = Math.max(1000, after_ms);
    }
    await assertStateIsReadable(agent.host);
    await assertNextRunConverges(agent);
    const after = await agent.host.snapshot();
    // What packages bring is neither from before nor from after.
    assertNothingHalfWritten(
      { before, killed, after },
      work === 'blank' ? /^\/etc\/(?:postgresql|nginx)\// : undefined,
    );
    await assertNothingIsLeft(agent.host);
    await check();
    passed = true;
  });
  // So that one failure does not spoil the kills after it.
  if (!passed) for (const side of SIDES) await deployment[side].run();
}

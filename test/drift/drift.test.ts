/** The reference deployment on two hosts, broken by hand in every way that cases/ tells of, found, reported and healed. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type AgentOnHost, type AgentResult, differences, resourceOf } from '../conformance/agent-on-host.ts';
import { diffSnapshots } from '../hosts/diff-snapshots.ts';
import { BY_HAND, type Case, type Found, PRELUDE, roundsOf } from './case.ts';
import { CASES } from './cases/all.ts';
import { convergedImages, type Deployment, mustConverge, SIDES, type Side, startDeployment } from './deployment.ts';
import { addTodo, type Todo, todosOf } from './site.ts';
import { SWAP_FILE } from './swap-file.ts';

const TITLES = ['buy milk', 'walk the dog'];
/** While cases are written: only those whose name matches `HOLDFAST_CASES`. */
const WANTED = new RegExp(process.env['HOLDFAST_CASES'] ?? '');
const SCRIPT_TIMEOUT_MS = 120_000;
/** A round takes the better part of a minute: outside of the long tests every third one is done. */
const LONG = process.env['HOLDFAST_LONG'] === '1';
const SAMPLE_OF = 3;

void test('the reference deployment, broken by hand and healed', async (t) => {
  await using deployment = await startDeployment(await convergedImages());
  const { web } = deployment;
  let converged = false;
  await t.test('it converges from images with other addresses and secrets', async () => {
    await deployment.converge();
    for (const title of TITLES) await addTodo(web.host.address, title);
    await assertEmptyPlans(deployment, SIDES);
    converged = true;
  });
  if (!converged) return;
  await t.test('a second run changes nothing', () => secondRunChangesNothing(deployment));
  assert.ok(CASES.length >= 60, `${CASES.length} cases`);
  const rounds = roundsOf(CASES.filter(({ name }) => WANTED.test(name)));
  for (const [index, cases] of rounds.entries()) {
    if (!LONG && index % SAMPLE_OF !== 0) continue;
    await t.test(`round ${index + 1} of ${rounds.length}`, (at) => breakAndHeal(at, deployment, cases));
  }
  await t.test('nothing of the secrets came to a log', () => assertLogsAreClean(deployment));
  await t.test('gunicorn is killed: supervisor brings it back and there is nothing to repair', async () => {
    await web.host.sh(`${PRELUDE}\nkill -9 $(supervisorctl pid "todo-$LIVE:todo-$LIVE")`);
    await siteAnswers(deployment);
    await assertEmptyPlans(deployment, ['web']);
  });
  await t.test('both hosts are rebooted: all of it is there again without a run', async () => {
    // Swap of a container is its machine's: no reboot turns it off, and none on.
    await web.host.sh(`swapoff ${SWAP_FILE}`);
    await Promise.all(SIDES.map((side) => deployment.host(side).restart()));
    await web.host.sh(`swapon ${SWAP_FILE}`);
    await siteAnswers(deployment);
    await assertEmptyPlans(deployment, SIDES);
  });
});

async function breakAndHeal(t: TestContext, deployment: Deployment, cases: readonly Case[]): Promise<void> {
  const sides = SIDES.filter((side) => cases.some((one) => one.on === side));
  const steps = new Steps(t);
  const broken: Case[] = [];
  for (const one of cases) {
    const done = await steps.run(`by hand: ${one.name}`, () => byHand(deployment, one.on, one.by));
    if (done) broken.push(one);
  }
  const plans = new Map(await Promise.all(sides.map(async (side) => [side, await planOf(deployment[side])] as const)));
  const outputs = [...plans.values()].flatMap(({ json, text }) => [json.stderr, JSON.stringify(json.result), text]);
  for (const one of broken) {
    await steps.run(`found and said rightly: ${one.name}`, () => {
      for (const found of [one, ...(one.also ?? [])]) assertFound(plans.get(one.on), found);
    });
  }
  await steps.run('the plan shows nothing else, and making it changed nothing', () => {
    for (const plan of plans.values()) assertNothingElse(plan, cases);
  });
  await steps.run('one run heals it', async () => {
    for (const side of sides) {
      const { result, stderr } = await mustConverge(deployment[side]);
      outputs.push(JSON.stringify(result), stderr);
    }
  });
  await steps.run('no output shows a secret', () => assertNoSecret(deployment, outputs.join('\n')));
  await steps.run('the plan is empty then', () => assertEmptyPlans(deployment, sides));
  for (const { name, on, healed } of broken) {
    if (healed !== undefined) await steps.run(`healed: ${name}`, () => byHand(deployment, on, healed));
  }
  await steps.run('the site answers with the todos in place', () => siteAnswers(deployment));
  // So that what failed does not spoil the rounds after it.
  if (steps.failed) for (const side of SIDES) await deployment[side].run();
}

/** Subtests that go on after one that failed. */
class Steps {
  failed = false;
  readonly #t: TestContext;

  constructor(t: TestContext) {
    this.#t = t;
  }

  async run(name: string, step: () => Promise<unknown> | void): Promise<boolean> {
    let passed = false;
    await this.#t.test(name, async () => {
      await step();
      passed = true;
    });
    this.failed ||= !passed;
    return passed;
  }
}

async function byHand(deployment: Deployment, side: Side, script: string): Promise<void> {
  await deployment.host(side).sh(`${PRELUDE}${script}`, { timeout_ms: SCRIPT_TIMEOUT_MS });
}

interface Plan {
  readonly json: AgentResult;
  /** As a person sees it. */
  readonly text: string;
  /** What the making of both changed on the host. */
  readonly touched: readonly string[];
}

async function planOf(agent: AgentOnHost): Promise<Plan> {
  const { host } = agent;
  const before = await host.snapshot();
  const json = await agent.plan();
  const text = await host.exec(['holdfast-agent', 'plan']);
  const touched = diffSnapshots(before, await host.snapshot()).filter((line) => !OWN_COMING_AND_GOING.test(line));
  return { json, text: text.stdout + text.stderr, touched };
}

/** The application opens and ends connections, and gunicorn replaces workers, of their own. A master that ends is seen. */
const OWN_COMING_AND_GOING = /^process (?:gone|new): .*(?:postgres: todo todo |gunicorn: worker )/;

function assertFound(plan: Plan | undefined, { resource, says, hazard }: Found): void {
  assert.ok(plan !== undefined, 'there is no plan for its host');
  const { result } = plan.json;
  const said = differences(result).join('\n');
  const { changes, cause, status } = resourceOf(result, resource);
  const change = changes.find(({ summary }) => says.test(summary));
  assert.ok(change !== undefined, `no change of ${resource} matches ${says}; the plan says:\n${said}`);
  assert.equal(status, 'drifted');
  assert.equal(cause, 'corrective', `${resource} was converged before: its drift is nothing that was declared anew`);
  if (hazard !== undefined) assert.equal(change.hazard, hazard, `the hazard of "${change.summary}"`);
  assert.ok(plan.text.includes(change.summary.split('\n')[0] ?? ''), 'the plan for people says it too');
}

function assertNothingElse({ json, touched }: Plan, cases: readonly Case[]): void {
  const { result, code, stderr } = json;
  const named = new Set(cases.flatMap((one) => [one, ...(one.also ?? [])]).map(({ resource }) => resource));
  const others = result.resources.filter(
    ({ kind, name, status }) => status !== 'converged' && !named.has(`${kind}/${name}`),
  );
  assert.deepEqual(differences({ ...result, resources: others }), []);
  assert.equal(code, 2, stderr);
  assert.deepEqual(touched, [], 'the dry run changed the host');
}

function assertNoSecret(deployment: Deployment, output: string): void {
  for (const text of secretTexts(deployment)) {
    const at = output.indexOf(text);
    assert.equal(at, -1, `a secret is shown: …${output.slice(Math.max(0, at - 200), at)}`);
  }
}

/** A secret of several lines is given away by each of its long ones. */
function secretTexts({ secrets }: Deployment): readonly string[] {
  const lines = [...secrets.values()].flatMap((secret) => secret.reveal().split('\n'));
  return [BY_HAND, ...lines.filter((line) => line.length >= 20 && !line.startsWith('-----'))];
}

async function assertLogsAreClean(deployment: Deployment): Promise<void> {
  const texts = `${secretTexts(deployment).join('\n')}\n`;
  for (const side of SIDES) {
    const script =
      'journalctl --sync; cat >/root/texts; grep -rlaFf /root/texts /var/log /run/log /tmp; rm /root/texts';
    const { stdout } = await deployment.host(side).exec(['bash', '-c', script], { input: texts });
    assert.equal(stdout, '', `files of ${side} that hold a secret`);
  }
}

async function assertEmptyPlans(deployment: Deployment, sides: readonly Side[]): Promise<void> {
  const plans = await Promise.all(sides.map((side) => deployment[side].plan()));
  for (const { result, code, stderr } of plans) {
    assert.deepEqual(differences(result), []);
    assert.equal(code, 0, stderr);
  }
}

async function secondRunChangesNothing(deployment: Deployment): Promise<void> {
  for (const side of SIDES) {
    const { host } = deployment[side];
    const before = await host.snapshot();
    const { result } = await mustConverge(deployment[side]);
    assert.deepEqual(differences(result), []);
    const touched = diffSnapshots(before, await host.snapshot()).filter((line) => !OWN_COMING_AND_GOING.test(line));
    assert.deepEqual(touched, []);
  }
}

async function siteAnswers({ web }: Deployment): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const todos = await todosOf(web.host.address).catch((error: unknown) => error);
    if (Array.isArray(todos)) {
      assert.deepEqual(
        todos.map(({ title }: Todo) => title),
        TITLES,
      );
      return;
    }
    assert.ok(Date.now() < deadline, `the site does not answer: ${String(todos)}`);
  }
}

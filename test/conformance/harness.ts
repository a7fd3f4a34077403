/**
 * The test of a resource kind on a real host: plan not empty → the dry run changed nothing → run → plan empty → a
 * second run changes nothing → and for each breakage by hand: found, said rightly, not touched by the dry run, healed.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Hazard } from '../../agent/resource.ts';
import { diffSnapshots } from '../hosts/diff-snapshots.ts';
import { type Host, type StartOptions, startHost } from '../hosts/host.ts';
import { AgentOnHost, differences, resourceOf, type Sections } from './agent-on-host.ts';

export interface Expected {
  /** `kind/name`. */
  readonly resource: string;
  /** Matches the summary of at least one change of that resource. */
  readonly summary: RegExp;
  /** Of that change. */
  readonly hazard?: Hazard;
}

/** What somebody does to the host by hand: a bash script, or a function. */
export type ByHand = string | ((host: Host) => Promise<unknown>);

export interface Breakage {
  /** What was done, such as `a site file is edited`. */
  readonly name: string;
  readonly by: ByHand;
  readonly expect: Expected | readonly Expected[];
  /** Looks at the host after it was healed, with other eyes than the agent's. */
  readonly alsoCheck?: (host: Host) => Promise<unknown>;
}

export interface Conformance {
  /** A sentence's beginning for the report, such as `nginx with two sites`. */
  readonly title: string;
  readonly sections: Sections;
  readonly host?: StartOptions;
  /** Makes of the blank host what the test starts from. */
  readonly prepare?: ByHand;
  /** Looks at the converged host, with other eyes than the agent's. */
  readonly check?: (host: Host) => Promise<unknown>;
  readonly breakages: readonly Breakage[];
  /** Undoes what outlives the host, whether the test passed or not, such as swap of the machine's kernel. */
  readonly finish?: ByHand;
}

/** Comparing the whole host costs more than all the rest of a breakage: outside of the long tests every fifth one does. */
const LONG = process.env['HOLDFAST_LONG'] === '1';
const PROVEN_OF = 5;
type Proof = 'whole host' | 'plan alone';

export function conformance(options: Conformance): void {
  const { title, sections, host: hostOptions, prepare, check, breakages, finish } = options;
  void test(title, async (t) => {
    await using host = await startHost(hostOptions);
    await using _ = { [Symbol.asyncDispose]: () => (finish === undefined ? Promise.resolve() : byHand(host, finish)) };
    const agent = await AgentOnHost.install(host);
    if (prepare !== undefined) await byHand(host, prepare);
    await agent.writeManifest(sections);

    const converged = await steps(t, [
      [
        'the plan for the blank host is not empty, and making it changed nothing',
        () => planChangesNothing(agent, assertPending),
      ],
      ['a run converges it', () => runConverges(agent)],
      ['the plan is empty then', () => planIsEmpty(agent)],
      ['a second run changes nothing', () => secondRunChangesNothing(agent)],
      ...(check === undefined ? [] : [['the host is as it should be', () => check(host)] as const]),
    ]);
    if (!converged) return;
    for (const [index, breakage] of breakages.entries()) {
      const proof = LONG || index % PROVEN_OF === 0 ? 'whole host' : 'plan alone';
      await t.test(breakage.name, (at) => breakAndHeal(at, agent, breakage, proof));
    }
  });
}

async function breakAndHeal(t: TestContext, agent: AgentOnHost, breakage: Breakage, proof: Proof): Promise<void> {
  await byHand(agent.host, breakage.by);
  const { expect, alsoCheck } = breakage;
  const healed = await steps(t, [
    proof === 'whole host'
      ? [
          'the plan finds it and says it rightly, and making it changed nothing',
          () => planChangesNothing(agent, (plan) => assertFound(plan, expect)),
        ]
      : ['the plan finds it and says it rightly', async () => assertFound(await agent.plan(), expect)],
    ['a run heals it', () => runConverges(agent)],
    ['the plan is empty then', () => planIsEmpty(agent)],
    ...(alsoCheck === undefined ? [] : [['the host is as it was', () => alsoCheck(agent.host)] as const]),
  ]);
  // So that one failure does not spoil the breakages after it.
  if (!healed) await agent.run();
}

type Plan = Awaited<ReturnType<AgentOnHost['plan']>>;

async function planChangesNothing(agent: AgentOnHost, assertPlan: (plan: Plan) => void): Promise<void> {
  const before = await agent.host.snapshot();
  const plan = await agent.plan();
  assert.deepEqual(diffSnapshots(before, await agent.host.snapshot()), [], 'the dry run changed the host');
  assertPlan(plan);
}

function assertPending({ code, result, stderr }: Plan): void {
  assert.equal(code, 2, `${stderr}${differences(result).join('\n')}`);
}

function assertFound({ result, code }: Plan, expect: Breakage['expect']): void {
  const said = differences(result).join('\n');
  assert.equal(code, 2, `nothing was found, or something could not be looked at: ${said}`);
  for (const { resource, summary, hazard } of [expect].flat()) {
    const { changes, status, cause } = resourceOf(result, resource);
    const change = changes.find((at) => summary.test(at.summary));
    assert.ok(change !== undefined, `no change of ${resource} matches ${summary}; the plan says:\n${said}`);
    assert.equal(status, 'drifted');
    assert.equal(cause, 'corrective', `${resource} was converged before: its drift is nothing that was declared anew`);
    if (hazard !== undefined) assert.equal(change.hazard, hazard, `the hazard of "${change.summary}"`);
  }
}

async function runConverges(agent: AgentOnHost): Promise<void> {
  const { code, result, stderr } = await agent.run();
  const left = result.resources.filter(({ status }) => status !== 'changed' && status !== 'converged');
  assert.equal(code, 0, `${stderr}${differences({ ...result, resources: left }).join('\n')}`);
  assert.ok(
    result.resources.some(({ status }) => status === 'changed'),
    'the run changed nothing',
  );
}

async function planIsEmpty(agent: AgentOnHost): Promise<void> {
  const { code, result, stderr } = await agent.plan();
  assert.deepEqual(differences(result), []);
  assert.equal(code, 0, stderr);
}

async function secondRunChangesNothing(agent: AgentOnHost): Promise<void> {
  const before = await agent.host.snapshot();
  const { code, result } = await agent.run();
  assert.deepEqual(differences(result), []);
  assert.equal(code, 0);
  assert.deepEqual(diffSnapshots(before, await agent.host.snapshot()), []);
}

async function byHand(host: Host, what: ByHand): Promise<void> {
  await (typeof what === 'string' ? host.sh(what) : what(host));
}

/** Runs the steps as subtests up to the first that fails. Resolves to whether all passed. */
async function steps(
  t: TestContext,
  list: readonly (readonly [name: string, run: () => Promise<unknown>])[],
): Promise<boolean> {
  for (const [name, run] of list) {
    let passed = false;
    await t.test(name, async () => {
      await run();
      passed = true;
    });
    if (!passed) return false;
  }
  return true;
}

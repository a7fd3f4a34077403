import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { type AptOptions, aptGet, aptMark, aptProblem, dpkg } from '../shared/apt.ts';
import { refuseUnknown } from './nearest.ts';
import { observe } from './observe.ts';
import { providers } from './providers.ts';
import { refreshLists } from './refresh.ts';
import type { InstallStep, PackagesChange, Step } from './state.ts';
import { stepsOf } from './steps.ts';
import { AptFailed, transaction } from './transaction.ts';

const REPAIR: AptOptions = { timeout_ms: 1_200_000 };
const MARK: AptOptions = { timeout_ms: 60_000 };

/**
 * One transaction for all: repair, refresh where something needs it, simulate, install and remove by one call, then the
 * marks. After a repair or a refresh the steps are worked out anew, because the ground has moved.
 */
export async function apply({ spec, steps: planned }: PackagesChange, host: Host): Promise<void> {
  let steps = planned;
  if (has(steps, 'repair')) {
    await repair(host);
    steps = stepsOf(await observe(spec, host));
  }
  let lists: Lists = { refreshed: false };
  if (has(steps, 'refresh') || has(steps, 'find')) {
    lists = { refreshed: true, problem: await refreshLists(host) };
    steps = stepsOf(await observe(spec, host));
  }
  try {
    await change(steps, host);
  } catch (error) {
    if (!(error instanceof AptFailed) || error.why === 'other') throw error;
    // The lists may be too old: versions that the mirror has thrown away, dependencies that have moved.
    if (!lists.refreshed) lists = { refreshed: true, problem: await refreshLists(host) };
    else if (lists.problem === undefined) throw error.why === 'unsolvable' ? new Stalled(error.message) : error;
    if (lists.problem !== undefined) throw withNote(error, lists.problem);
    steps = stepsOf(await observe(spec, host));
    await changeAtLast(steps, host);
  }
  const latest = Object.entries(spec.packages).flatMap(([name, one]) => (one.ensure === 'latest' ? [name] : []));
  if (latest.length > 0) await host.packages.rememberCandidates(latest);
  await refuseUnknown(steps, lists.problem, host);
}

interface Lists {
  readonly refreshed: boolean;
  /** Why they could not be fetched. */
  readonly problem?: string | undefined;
}

/** With fresh lists: what cannot be solved now cannot be solved by trying again. */
async function changeAtLast(steps: readonly Step[], host: Host): Promise<void> {
  try {
    await change(steps, host);
  } catch (error) {
    throw error instanceof AptFailed && error.why === 'unsolvable' ? new Stalled(error.message) : error;
  }
}

function withNote(error: AptFailed, problem: string): Error {
  return new Error(`${error.message}\nand the package lists could not be fetched:\n${problem}`, { cause: error });
}

/** Installs, removes and marks, as far as the steps ask for it. */
async function change(steps: readonly Step[], host: Host): Promise<void> {
  const installs = steps.filter(isInstall);
  await transact(
    installs.filter((step) => step.to !== undefined),
    steps,
    host,
  );
  // Virtual packages afterwards: apt cannot choose among several providers, and one may just have been installed.
  const provided = providers(await host.packages.installed());
  const open = installs.filter((step) => step.to === undefined && !provided.has(step.name));
  if (open.length > 0) await transact(open, withoutRemovals(steps), host);
  const purges = namesOf(steps, 'purge');
  if (purges.length > 0) await must(aptGet(host.run, ['purge', ...purges], REPAIR));
  await mark('manual', namesOf(steps, 'mark manual'), host);
  await mark('unhold', namesOf(steps, 'unhold'), host);
  await mark('hold', namesOf(steps, 'hold'), host);
}

/** `--install-recommends` counts for a whole call, so that packages which differ in it cannot share one. */
async function transact(installs: readonly InstallStep[], steps: readonly Step[], host: Host): Promise<void> {
  const removes = namesOf(steps, 'remove');
  const groups = [undefined, true, false].filter((recommends) =>
    installs.some((step) => step.recommends === recommends),
  );
  for (const [index, recommends] of (groups.length === 0 ? [undefined] : groups).entries()) {
    const some = installs.filter((step) => step.recommends === recommends);
    await transaction({ installs: some, removes: index === 0 ? removes : [], recommends, steps }, host);
  }
}

function withoutRemovals(steps: readonly Step[]): readonly Step[] {
  return steps.filter((step) => step.do !== 'remove');
}

async function mark(word: string, names: readonly string[], host: Host): Promise<void> {
  if (names.length > 0) await must(aptMark(host.run, [word, ...names], MARK));
}

async function repair(host: Host): Promise<void> {
  await must(dpkg(host.run, ['--configure', '--pending'], REPAIR));
  if (await host.packages.interrupted())
    await must(aptGet(host.run, ['--fix-broken', '--no-remove', 'install'], REPAIR));
}

async function must(call: ReturnType<typeof aptGet>): Promise<void> {
  const problem = aptProblem(await call);
  if (problem !== undefined) throw new Error(problem);
}

function namesOf(
  steps: readonly Step[],
  action: 'remove' | 'purge' | 'hold' | 'unhold' | 'mark manual',
): readonly string[] {
  return steps.flatMap((step) => (step.do === action ? [step.name] : []));
}

function isInstall(step: Step): step is InstallStep {
  return step.do === 'install' || step.do === 'upgrade' || step.do === 'downgrade';
}

function has(steps: readonly Step[], action: Step['do']): boolean {
  return steps.some((step) => step.do === action);
}

import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { type AptOptions, aptGet, aptProblem } from '../shared/apt.ts';
import { parseSimulation, undeclaredEffects } from './simulation.ts';
import type { InstallStep, Step } from './state.ts';

const SIMULATE: AptOptions = { timeout_ms: 120_000 };
/** A slow mirror and a small machine; apt itself gives up on a mirror that does not answer. */
const INSTALL: AptOptions = { timeout_ms: 1_800_000 };

/** What apt says when no solution exists, however often it is asked. */
const UNSOLVABLE =
  /has no installation candidate|unmet dependencies|Unable to correct problems|held broken packages|Unable to locate package|Essential packages were removed|Version .* was not found/;

const NOT_FETCHED = /Failed to fetch|Unable to fetch|404 {2}Not Found|Hash Sum mismatch/;

/** Fresh lists may help against `unsolvable` and `fetch`. */
export class AptFailed extends Error {
  override readonly name = 'AptFailed';
  readonly why: 'unsolvable' | 'fetch' | 'other';

  constructor(why: AptFailed['why'], problem: string) {
    super(`apt-get could not do it:\n${problem}`);
    this.why = why;
  }
}

export interface Transaction {
  readonly installs: readonly InstallStep[];
  readonly removes: readonly string[];
  readonly recommends: boolean | undefined;
  /** All steps of the run: what is declared anywhere is no surprise here. */
  readonly steps: readonly Step[];
}

export async function transaction(wanted: Transaction, host: Host): Promise<void> {
  if (wanted.installs.length + wanted.removes.length === 0) return;
  const installed = await host.packages.installed();
  const moved = [...wanted.installs.map((step) => step.name), ...wanted.removes];
  const args = [
    ...(wanted.recommends === undefined ? [] : [`--${wanted.recommends ? '' : 'no-'}install-recommends`]),
    ...(wanted.installs.some((step) => step.do === 'downgrade') ? ['--allow-downgrades'] : []),
    // Consent is per package: the simulation refuses every other held package.
    ...(moved.some((name) => installed.get(name)?.want === 'hold') ? ['--allow-change-held-packages'] : []),
    'install',
    ...wanted.installs.map((step) => (step.to === undefined ? step.name : `${step.name}=${step.to}`)),
    ...wanted.removes.map((name) => `${name}-`),
  ];
  await refuseSurprises(args, wanted.steps, host);
  const problem = aptProblem(
    await aptGet(host.run, [...(wanted.removes.length === 0 ? ['--no-remove'] : []), ...args], INSTALL),
  );
  if (problem !== undefined) throw new AptFailed(NOT_FETCHED.test(problem) ? 'fetch' : 'other', problem);
}

async function refuseSurprises(args: readonly string[], steps: readonly Step[], host: Host): Promise<void> {
  const output = await aptGet(host.run, ['--simulate', ...args], SIMULATE);
  const problem = aptProblem(output);
  const surprises = undeclaredEffects(parseSimulation(output.stdout), steps, await host.packages.installed());
  if (surprises.length > 0) {
    throw new Stalled(
      `refused, because apt would also ${surprises.join(', ')}: declare that in "packages", or take back what leads to it`,
    );
  }
  if (problem === undefined) return;
  // The reasons stand before the `E:` lines, indented, and the providers of a virtual package, too.
  const reasons = output.stdout
    .split('\n')
    .filter((line) => / (?:Depends|PreDepends|Conflicts|Breaks): /.test(line) || /^ {2}\S+ \d/.test(line));
  const text = [problem, ...reasons.slice(0, 10)].join('\n');
  throw new AptFailed(UNSOLVABLE.test(`${output.stdout}${output.stderr}`) ? 'unsolvable' : 'other', text);
}

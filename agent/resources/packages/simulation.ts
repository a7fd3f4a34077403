import type { InstalledPackage } from '../../host/packages/port.ts';
import type { Step } from './state.ts';
import { compareVersions } from './version.ts';

/** What `apt-get --simulate` says it would do. */
export interface Simulation {
  readonly installs: readonly { readonly name: string; readonly from: string | undefined; readonly to: string }[];
  readonly removes: readonly string[];
}

/** `Inst bash [5.2.15-2+b7] (5.2.15-2+b8 Debian:12.5/stable [amd64])`, `Remv nginx [1.22.1-9]`, `Purg …`. Pure. */
export function parseSimulation(output: string): Simulation {
  const installs = [...output.matchAll(/^Inst (\S+)(?: \[([^\]]+)\])? \((\S+)/gm)].map(
    ([, name = '', from, to = '']) => ({
      name,
      from,
      to,
    }),
  );
  const removes = [...output.matchAll(/^(?:Remv|Purg) (\S+)/gm)].map(([, name = '']) => name);
  return { installs, removes: [...new Set(removes)] };
}

/** What the simulation would do and nobody declared: a removal, a downgrade, a change of a held package. Pure. */
export function undeclaredEffects(
  simulation: Simulation,
  steps: readonly Step[],
  installed: ReadonlyMap<string, InstalledPackage>,
): readonly string[] {
  const removed = new Set(steps.flatMap((step) => (step.do === 'remove' ? [step.name] : [])));
  const changed = new Set(steps.flatMap((step) => ('to' in step ? [step.name] : [])));
  const removals = simulation.removes.filter((name) => !removed.has(name)).map((name) => `remove ${name}`);
  const others = simulation.installs.flatMap(({ name, from, to }) => {
    if (from === undefined || changed.has(name)) return [];
    if (installed.get(name)?.want === 'hold') return [`change the held package ${name} from ${from} to ${to}`];
    return compareVersions(to, from) < 0 ? [`downgrade ${name} from ${from} to ${to}`] : [];
  });
  return [...removals, ...others];
}

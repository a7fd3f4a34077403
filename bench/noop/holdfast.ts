/** The figures of Holdfast on a host that it has converged. */
import type { DaemonOnHost } from '../../test/agent/daemon-on-host.ts';
import { type Figure, figureOf } from '../figure.ts';
import { measureRuns } from '../measured-run.ts';
import type { Progress, Settings } from '../settings.ts';
import { idleMemory, type WarmRuns, warmRuns } from '../warm.ts';

/** Of the issue "The main job": the bounds that this design promised. */
export const FLOORS = {
  warm_ms: 25,
  warm_processes: 0,
  cold_s: 0.4,
  more_files_ms: 10,
  resident_mb: 65,
  anonymous_mb: 25,
} as const;

const COLD = ['holdfast-agent', 'run', '--once'] as const;

/** `run --once` from the command line, while no daemon runs. */
export async function coldFigures(
  { host }: DaemonOnHost,
  options: { readonly of: string; readonly runs: number; readonly promised: boolean },
): Promise<readonly Figure[]> {
  const { of, runs, promised } = options;
  const cold = await measureRuns(host, { argv: COLD }, runs);
  return [
    figureOf({
      name: `${of}: holdfast run --once, wall`,
      unit: 's',
      samples: cold.wall_s,
      ...(promised ? { below: FLOORS.cold_s } : {}),
    }),
    figureOf({ name: `${of}: holdfast run --once, CPU`, unit: 's', samples: cold.cpu_s }),
    figureOf({
      name: `${of}: holdfast run --once, processes and threads started`,
      unit: 'count',
      samples: cold.started,
    }),
    figureOf({
      name: `${of}: holdfast run --once, peak RSS of the largest process`,
      unit: 'MB',
      samples: [cold.peak_rss_mb],
    }),
  ];
}

export function warmFigures(of: string, warm: WarmRuns, promised: boolean): readonly Figure[] {
  return [
    figureOf({
      name: `${of}: holdfast daemon, warm reconcile`,
      unit: 'ms',
      samples: warm.run_ms,
      ...(promised ? { below: FLOORS.warm_ms } : {}),
    }),
    figureOf({
      name: `${of}: holdfast daemon, warm reconcile, request to answer`,
      unit: 'ms',
      samples: warm.answer_ms,
    }),
    figureOf({ name: `${of}: holdfast daemon, warm reconcile, CPU`, unit: 'ms', samples: warm.cpu_ms }),
    figureOf({
      name: `${of}: holdfast daemon, warm reconcile, processes and threads started`,
      unit: 'count',
      samples: warm.started,
      ...(promised ? { atMost: FLOORS.warm_processes } : {}),
    }),
  ];
}

export async function memoryFigures(of: string, daemon: DaemonOnHost, idle_s: number): Promise<readonly Figure[]> {
  const { resident_mb, anonymous_mb } = await idleMemory(daemon, idle_s);
  const name = `${of}: holdfast daemon, idle for ${idle_s} s`;
  return [
    figureOf({ name: `${name}, RSS`, unit: 'MB', samples: resident_mb, below: FLOORS.resident_mb }),
    figureOf({ name: `${name}, anonymous RSS`, unit: 'MB', samples: anonymous_mb, below: FLOORS.anonymous_mb }),
  ];
}

/** Starts the daemon and waits for its first run; then warm reconciles. */
export async function startedAndWarm(
  daemon: DaemonOnHost,
  { warm_runs }: Settings,
  progress: Progress,
): Promise<WarmRuns> {
  await daemon.start();
  await daemon.until('converged', ({ verdict }) => verdict === 'converged');
  progress(`${warm_runs} warm reconciles`);
  return warmRuns(daemon, warm_runs);
}

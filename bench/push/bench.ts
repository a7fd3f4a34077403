/** From a push that is accepted to all hosts converged, by the clock of the pusher's terminal. */
import { type Figure, figureOf } from '../figure.ts';
import type { Progress, Settings } from '../settings.ts';
import type { Pushed } from './pusher.ts';
import { startSet } from './set.ts';

export const about = 'a push of a changed configuration to converged, on real hosts';

/** Of the issue "Edit, push, converged". */
const FLOORS = { median_s: 1, p99_s: 2 } as const;

export async function measure({ pushes }: Settings, progress: Progress): Promise<readonly Figure[]> {
  const set = await startSet(progress);
  try {
    const all: Pushed[] = [];
    for (let number = 1; number <= pushes; number += 1) {
      const value = `push ${number} of ${Date.now()}`;
      const pushed = await set.pusher.change(value);
      all.push(pushed);
      progress(
        `${number}: accepted after ${seconds(pushed.accepted_ms)} s, converged ${seconds(pushed.converged_ms)} s later`,
      );
      for (const host of [set.web, set.db]) {
        const found = (await host.readFile('/etc/holdfast-bench')).trim();
        if (found !== value) throw new Error(`${host.name} is said to have converged, and has "${found}"`);
      }
    }
    const converged = all.map(({ converged_ms }) => converged_ms / 1000);
    const median = figureOf({
      name: 'push accepted to converged on both hosts',
      unit: 's',
      samples: converged,
      below: FLOORS.median_s,
    });
    return [
      median,
      { ...median, name: `${median.name}, p99`, floor: FLOORS.p99_s, holds: median.p99 < FLOORS.p99_s },
      figureOf({
        name: 'git push to accepted (compiled, dry run on both hosts)',
        unit: 's',
        samples: all.map((one) => one.accepted_ms / 1000),
      }),
      figureOf({
        name: 'git push, the whole command',
        unit: 's',
        samples: all.map((one) => (one.accepted_ms + one.ended_ms) / 1000),
      }),
    ];
  } finally {
    await set.dispose();
  }
}

function seconds(duration_ms: number): string {
  return (duration_ms / 1000).toFixed(2);
}

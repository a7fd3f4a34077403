import { setImmediate } from 'node:timers/promises';
import type { Compilation } from '../compile/compile.ts';

/** How long a compilation may keep requests waiting: it lets them have their turn this often. */
const TURN_MS = 20;

/** A compilation of thousands of hosts beside everything else that this process does. */
export async function inTurns(steps: Generator<void, Compilation, void>): Promise<Compilation> {
  let turnEnds = performance.now() + TURN_MS;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() < turnEnds) continue;
    await setImmediate();
    turnEnds = performance.now() + TURN_MS;
  }
}

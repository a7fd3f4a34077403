import { setImmediate } from 'node:timers/promises';
import type { Compilation } from '../compile/compile.ts';

/** How long a compilation may keep requests waiting: it lets them have their turn this often. */
const TURN_MS = 20;

/** What a compilation waits for between two turns, beside letting others have theirs. */
export type Rest = () => Promise<void>;

/** A compilation of thousands of hosts beside everything else that this process does. */
export async function inTurns(steps: Generator<void, Compilation, void>, rest?: Rest): Promise<Compilation> {
  let turnEnds = performance.now() + TURN_MS;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() < turnEnds) continue;
    await setImmediate();
    await rest?.();
    turnEnds = performance.now() + TURN_MS;
  }
}

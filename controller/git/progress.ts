import type { Say } from './hook-socket.ts';
import { some } from './plan-text.ts';
import type { RolloutEvent } from './ports.ts';

export interface FollowOptions {
  readonly events: AsyncIterable<RolloutEvent>;
  readonly say: Say;
  readonly signal: AbortSignal;
  readonly bound: AbortSignal;
  readonly bound_ms: number;
  readonly now_ms: () => number;
}

/** Hosts of whose convergence each is told; of a larger fleet only how far it is. */
const TOLD_HOSTS = 50;
const EVERY_MS = 2000;

export const GOES_ON = 'it goes on without this terminal: holdfast rollout status';

/** Tells the pusher what becomes of the hosts, until all are done, one has failed, or the bound passes. */
export async function tellProgress({ events, say, signal, bound, bound_ms, now_ms }: FollowOptions): Promise<void> {
  const began_ms = now_ms();
  const failed: string[] = [];
  let converged = 0;
  let told_ms = began_ms;
  for await (const event of events) {
    switch (event.type) {
      case 'converged':
        converged += 1;
        if (converged <= TOLD_HOSTS) say(`${event.host} converged in ${seconds(event.took_ms)}`);
        else if (now_ms() - told_ms >= EVERY_MS) {
          say(`${converged} hosts converged`);
          told_ms = now_ms();
        }
        break;
      case 'failed':
        failed.push(event.host);
        say(`${event.host} FAILED: ${event.why}`);
        break;
      case 'note':
        say(event.text);
        break;
      case 'ended':
        say(endText(event, { converged, failed, took_ms: now_ms() - began_ms }));
        return;
    }
  }
  if (signal.aborted) return; // nobody reads it
  if (bound.aborted) say(`not done within ${seconds(bound_ms)}: ${GOES_ON}`);
  else say(GOES_ON);
}

function endText(
  { state, why }: Extract<RolloutEvent, { type: 'ended' }>,
  sum: { readonly converged: number; readonly failed: readonly string[]; readonly took_ms: number },
): string {
  const because = why === undefined || why === '' ? '' : `: ${why}`;
  switch (state) {
    case 'done':
      return sum.converged === 0
        ? `nothing to do on any host${because}`
        : `done: ${sum.converged} ${sum.converged === 1 ? 'host' : 'hosts'} in ${seconds(sum.took_ms)}${because}`;
    case 'paused': {
      const by = sum.failed.length === 0 ? '' : ` by ${some(sum.failed)}`;
      return `the rollout is paused${by}${because}; push the fix, or: holdfast rollout resume, holdfast rollout abort`;
    }
    case 'frozen':
      return `the rollout waits${because}`;
    case 'superseded':
      return `a newer push has taken over${because}`;
    case 'aborted':
      return `the rollout was aborted${because}`;
  }
}

/** `0.8 s` */
function seconds(duration_ms: number): string {
  return `${(duration_ms / 1000).toFixed(duration_ms < 9_950 ? 1 : 0)} s`;
}

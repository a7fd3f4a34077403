import type { Log } from './intake/intake.ts';
import type { Rollout } from './rollout/model.ts';
import { Pauses } from './rollout/pauses.ts';
import { HostPlanner } from './rollout/planner.ts';
import { Previews } from './rollout/previews.ts';
import { Rollouts } from './rollout/rollouts.ts';
import { Serving } from './serving.ts';
import type { Store } from './store/database.ts';
import type { HostRecords } from './store/host-records.ts';
import type { Waiters } from './waiters.ts';

export interface FleetOptions {
  readonly store: Store;
  readonly records: HostRecords;
  readonly waiters: Waiters;
  readonly now_ms: () => number;
  readonly log: Log;
  /** Told of each new state of a rollout by the controller that has brought it there. */
  readonly onState?: (rollout: Rollout) => void;
}

/** What decides about the hosts, and what they are told. */
export interface Fleet {
  readonly serving: Serving;
  readonly rollouts: Rollouts;
  readonly previews: Previews;
  readonly pauses: Pauses;
  readonly planner: HostPlanner;
  close(): Promise<void>;
}

/** Takes up what is served, what is paused, and the rollout that is under way. */
export async function openFleet({ store, records, waiters, now_ms, log, onState }: FleetOptions): Promise<Fleet> {
  const wake = (hosts: readonly string[]): void => waiters.release(hosts);
  const serving = new Serving({ store, changed: wake });
  const previews = new Previews({ store, now_ms, wake, log });
  const pauses = new Pauses({ store, now_ms, wake });
  const rollouts = new Rollouts({ store, serving, records, now_ms, log, tell: wake, ...(onState && { onState }) });
  await serving.open();
  await pauses.open();
  previews.open();
  await rollouts.open();
  return {
    serving,
    rollouts,
    previews,
    pauses,
    planner: new HostPlanner({ serving, records, previews, now_ms }),
    async close() {
      await rollouts.close();
      previews.close();
      pauses.close();
      serving.close();
    },
  };
}

import type { Log } from '../intake/intake.ts';
import type { Serving } from '../serving.ts';
import type { Store } from '../store/database.ts';
import type { HostRecords } from '../store/host-records.ts';
import type { Followers } from './followers.ts';
import type { Known } from './known.ts';
import type { Rollout } from './model.ts';
import type { WaitingHosts } from './waiting-hosts.ts';

/** What a change of a rollout works with. All of them are made one at a time: see `Turns`. */
export interface Parts {
  readonly store: Store;
  readonly serving: Serving;
  readonly records: Pick<HostRecords, 'get'>;
  readonly now_ms: () => number;
  readonly log: Log;
  readonly known: Known;
  readonly followers: Followers;
  readonly waiting: WaitingHosts;
  /** Told of each new state of a rollout by the controller that has brought it there. */
  readonly onState?: (rollout: Rollout) => void;
  /** Reads the rollout again, takes the steps that are due, and tells everybody. */
  readonly changed: () => Promise<void>;
}

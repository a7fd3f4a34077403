import type { Seen } from './tally.ts';

/** What the bench tells a process of agents. */
export type Order =
  | {
      readonly type: 'start';
      readonly agents: readonly { readonly host: string; readonly controller: string; readonly address: string }[];
      readonly folder: string;
      /** The last agent begins after this. */
      readonly within_ms: number;
    }
  | { readonly type: 'seek'; readonly revision: string }
  | { readonly type: 'watch'; readonly controller: string };

/** What such a process tells, each time something may have changed. */
export type Told = Seen;

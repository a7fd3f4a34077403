/** How often a bench repeats what it measures; settable, since the peers take minutes for what we do in milliseconds. */
export interface Settings {
  /** Warm reconciles of the daemon. */
  readonly warm_runs: number;
  /** Runs of Holdfast's command line. */
  readonly cold_runs: number;
  /** Runs of each peer; 0 leaves the peers out. */
  readonly peer_runs: number;
  /** Runs of each peer with the 500 files (Ansible takes minutes for one); 0 leaves them out. */
  readonly scaled_peer_runs: number;
  /** How long the daemon must have been idle before its memory counts. */
  readonly idle_s: number;
  /** Simulated agents of the fleet. */
  readonly agents: number;
  /** Pushes of a changed configuration. */
  readonly pushes: number;
}

export const DEFAULTS: Settings = {
  warm_runs: 100,
  cold_runs: 10,
  peer_runs: 3,
  scaled_peer_runs: 1,
  idle_s: 120,
  agents: 10_000,
  pushes: 100,
};

export type Progress = (line: string) => void;

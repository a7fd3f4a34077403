export interface SupervisedProcess {
  readonly group: string;
  readonly name: string;
  /** `RUNNING`, `STARTING`, `BACKOFF`, `STOPPING`, `STOPPED`, `EXITED`, `FATAL`, `UNKNOWN`. */
  readonly state: string;
  /** 0 where it does not run. */
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly started_ms: number;
  readonly spawnError: string;
  readonly exitStatus: number;
}

/** Group names by what a re-read of the configuration would do to them. */
export interface ConfigChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** XML-RPC over supervisord's own unix socket (about 2 ms a call); starts no process. */
export interface SupervisorReader {
  /** `undefined` where supervisord does not answer (absent, stopped, socket away). */
  processes(): Promise<readonly SupervisedProcess[] | undefined>;
  /** What differs between the files and what runs; it applies nothing. Rejects with the file and line of a broken configuration. */
  configChanges(): Promise<ConfigChanges | undefined>;
  /** When the running supervisord started, and its pid; `undefined` where it does not answer. */
  daemon(): Promise<{ readonly pid: number; readonly started_ms: number } | undefined>;
}

/** Groups are started, stopped and waited for with a bound; a process that ends in FATAL rejects with the end of its log. */
export interface SupervisorWriter extends SupervisorReader {
  addGroup(group: string): Promise<void>;
  removeGroup(group: string): Promise<void>;
  startGroup(group: string, options?: { readonly timeout_ms?: number }): Promise<void>;
  stopGroup(group: string, options?: { readonly timeout_ms?: number }): Promise<void>;
  signal(process: string, signal: string): Promise<void>;
}

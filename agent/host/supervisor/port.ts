export interface SupervisedProcess {
  readonly group: string;
  readonly name: string;
  /** `RUNNING`, `STARTING`, `BACKOFF`, `STOPPING`, `STOPPED`, `EXITED`, `FATAL`, `UNKNOWN`. */
  readonly state: string;
  /** 0 where it does not run. */
  readonly pid: number;
  /** Milliseconds since the epoch; of the last start. */
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
  /**
   * What differs between the files and what runs; it applies nothing. Rejects with `BrokenConfiguration`, which names
   * the file and line, when the files cannot be read. Remembered while neither the files nor the daemon change, so that
   * supervisord re-reads its files only when there is something new in them.
   */
  configChanges(): Promise<ConfigChanges | undefined>;
  /** When the running supervisord started, and its pid; `undefined` where it does not answer. */
  daemon(): Promise<{ readonly pid: number; readonly started_ms: number } | undefined>;
  /** The end of what a process (`group:name`) wrote to its log, at most about 2 000 characters; empty where there is none. */
  logTail(process: string): Promise<string>;
}

/** supervisord, or its own parser, refuses the files: the message is its own and names file and line where it knows them. */
export class BrokenConfiguration extends Error {
  override readonly name = 'BrokenConfiguration';
}

/** Groups are started, stopped and waited for with a bound; a process that ends in FATAL rejects with the end of its log. */
export interface SupervisorWriter extends SupervisorReader {
  /** Reads the files and adds the group; its programs with autostart begin to start. No error where it is there already. */
  addGroup(group: string): Promise<void>;
  /** The group must be stopped. No error where there is none. */
  removeGroup(group: string): Promise<void>;
  /** Waits until every process of the group runs. */
  startGroup(group: string, options?: { readonly timeout_ms?: number }): Promise<void>;
  /** Waits until no process of the group runs. No error where there is no such group. */
  stopGroup(group: string, options?: { readonly timeout_ms?: number }): Promise<void>;
  signal(process: string, signal: string): Promise<void>;
  /**
   * Has supervisor's own parser read the whole configuration as it would be with `files` (content by path; `undefined`
   * for a file that would be gone), without writing any of it. Rejects with `BrokenConfiguration`.
   */
  checkFiles(files: ReadonlyMap<string, string | undefined>): Promise<void>;
}

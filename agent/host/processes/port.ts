export interface ProcessInfo {
  readonly pid: number;
  readonly parentPid: number;
  /** `comm`, at most 15 characters. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly uid: number;
  /** Wall-clock start in milliseconds since the epoch, resolution 10 ms (`/proc/PID/stat` and the boot time). */
  readonly started_ms: number;
  /** One letter, `Z` for a zombie. */
  readonly state: string;
}

/** Reads `/proc`; never starts a process. */
export interface ProcessReader {
  list(): Promise<readonly ProcessInfo[]>;
  get(pid: number): Promise<ProcessInfo | undefined>;
  children(pid: number): Promise<readonly ProcessInfo[]>;
  /** What the process was started with; `undefined` where it is gone. */
  environment(pid: number): Promise<Readonly<Record<string, string>> | undefined>;
  /** Where `/proc/PID/exe` points; ends in ` (deleted)` when the binary was replaced. */
  executable(pid: number): Promise<string | undefined>;
  workingDirectory(pid: number): Promise<string | undefined>;
  /** Where `/proc/PID/fd/*` point, without duplicates. */
  openFiles(pid: number): Promise<readonly string[]>;
}

export interface ProcessWriter extends ProcessReader {
  /** False where the process is gone. `started_ms` guards against a reused pid. */
  signal(process: { readonly pid: number; readonly started_ms: number }, signal: NodeJS.Signals): Promise<boolean>;
}

/** A process call: an argument vector, never a shell string, always with a bound. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** Bound on the whole call, in milliseconds. Default 60 000. On expiry: SIGTERM, then SIGKILL after 5 s, to the whole process group. */
  readonly timeout_ms?: number;
  readonly cwd?: string;
  /** Added to a minimal environment (PATH, LANG=C.UTF-8, HOME). Secrets go here or to `input`, never to `argv`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; closed where absent. */
  readonly input?: string | Uint8Array;
  /** Runs as this user with its own groups (by `setpriv`), not as root. */
  readonly user?: string;
  /** Exit codes that are not an error. Default `[0]`. */
  readonly okCodes?: readonly number[];
  /** Bound on each output stream, in bytes; the middle of what goes over is dropped. Default 1 MiB. */
  readonly maxOutput_bytes?: number;
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Rejects with `CommandFailed` (argv, code or signal, end of the output) when the exit code is not in `okCodes`. */
export type CommandRunner = (command: Command) => Promise<Output>;

/** Like `CommandRunner`, for programs that only look. A type of its own so that a reader cannot be handed a writer. */
export type ProbeRunner = (command: Command) => Promise<Output>;

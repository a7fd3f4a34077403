/** Measures a command on a host from inside of it, so that reaching the host costs nothing of the figure. */
import { join } from 'node:path';
import type { Host } from '../test/hosts/host.ts';

const SCRIPT = join(import.meta.dirname, 'on-host/measured-run.py');
const ON_HOST = '/var/tmp/measured-run.py';
const RUN_TIMEOUT_MS = 1_800_000;

export interface MeasuredCommand {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Exit statuses of a run that went well; 0 unless told. */
  readonly okCodes?: readonly number[];
  /** What the end of its output says when it did not go well, whatever the exit status is. */
  readonly trouble?: RegExp;
}

export interface MeasuredRuns {
  readonly wall_s: readonly number[];
  /** User and system time of the command and what it started and waited for. */
  readonly cpu_s: readonly number[];
  /** Processes and threads started on the host, the command itself included. */
  readonly started: readonly number[];
  /** Of the largest process. */
  readonly peak_rss_mb: number;
}

interface Printed {
  readonly runs: readonly {
    readonly wall_s: number;
    readonly cpu_s: number;
    readonly status: number;
    readonly started: number;
    readonly tail: string;
  }[];
  readonly peak_rss_kib: number;
}

/** Rejects with what a run printed that did not end well. The host needs python3. */
export async function measureRuns(host: Host, command: MeasuredCommand, times: number): Promise<MeasuredRuns> {
  await host.copyIn(SCRIPT, ON_HOST);
  const { argv, env, cwd, okCodes = [0], trouble } = command;
  const printed: Printed = JSON.parse(
    await host.mustExec(['python3', ON_HOST, String(times), ...argv], {
      timeout_ms: RUN_TIMEOUT_MS * times,
      ...(env === undefined ? {} : { env }),
      ...(cwd === undefined ? {} : { cwd }),
    }),
  );
  for (const { status, tail } of printed.runs) {
    if (!okCodes.includes(status) || trouble?.test(tail) === true)
      throw new Error(`${argv.join(' ')} ended with status ${status}\n${tail}`);
  }
  return {
    wall_s: printed.runs.map(({ wall_s }) => wall_s),
    cpu_s: printed.runs.map(({ cpu_s }) => cpu_s),
    started: printed.runs.map(({ started }) => started),
    peak_rss_mb: printed.peak_rss_kib / 1024,
  };
}

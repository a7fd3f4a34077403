import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandRunner, Output } from '../../host/commands/port.ts';

/** How long to wait for another program that holds a lock of apt or dpkg: an unattended upgrade takes minutes. */
const LOCK_WAIT_MS = 300_000;
const LOCK_POLL_MS = 2_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const EXIT_CODES = Array.from({ length: 256 }, (_, code) => code);

/** The words in which apt and dpkg say that another process holds a lock. */
const LOCKED =
  /Could not get lock|Unable to lock|(?:is|was) locked by another process|Unable to acquire the dpkg frontend lock/;

/** Nobody is asked anything, changed configuration files stay as they are, and needrestart only lists. */
const ENVIRONMENT = {
  DEBIAN_FRONTEND: 'noninteractive',
  DEBIAN_PRIORITY: 'critical',
  NEEDRESTART_MODE: 'l',
  NEEDRESTART_SUSPEND: '1',
  APT_LISTCHANGES_FRONTEND: 'none',
  APT_LISTBUGS_FRONTEND: 'none',
  UCF_FORCE_CONFFOLD: '1',
  LC_ALL: 'C.UTF-8',
};

const APT_OPTIONS = [
  '--yes',
  '--quiet',
  '-o',
  'Dpkg::Options::=--force-confdef',
  '-o',
  'Dpkg::Options::=--force-confold',
  '-o',
  'Dpkg::Use-Pty=0',
  '-o',
  'APT::Color=0',
] as const;

export interface AptOptions {
  readonly timeout_ms: number;
  readonly lockWait_ms?: number;
}

/** `apt-get` with the options that make it safe without a person. Resolves with whatever exit code; see `aptProblem`. */
export function aptGet(run: CommandRunner, args: readonly string[], options: AptOptions): Promise<Output> {
  return whenUnlocked(run, ['apt-get', ...APT_OPTIONS, ...args], options);
}

export function dpkg(run: CommandRunner, args: readonly string[], options: AptOptions): Promise<Output> {
  return whenUnlocked(run, ['dpkg', '--force-confdef', '--force-confold', ...args], options);
}

export function aptMark(run: CommandRunner, args: readonly string[], options: AptOptions): Promise<Output> {
  return whenUnlocked(run, ['apt-mark', ...args], options);
}

/** Tries again while another process holds the lock. `DPkg::Lock::Timeout` would not cover the lock of the lists, nor dpkg. */
async function whenUnlocked(
  run: CommandRunner,
  argv: readonly [string, ...string[]],
  { timeout_ms, lockWait_ms = LOCK_WAIT_MS }: AptOptions,
): Promise<Output> {
  const deadline_ms = performance.now() + lockWait_ms;
  for (;;) {
    const output = await run({
      argv,
      timeout_ms,
      env: ENVIRONMENT,
      okCodes: EXIT_CODES,
      maxOutput_bytes: MAX_OUTPUT_BYTES,
    });
    if (output.code === 0 || !saysLocked(output.stderr)) return output;
    if (performance.now() > deadline_ms) {
      throw new Error(
        `another program has held apt's lock for more than ${lockWait_ms / 1000} s: ${firstProblem(output)}; look at "ps aux | grep -E 'apt|dpkg'"`,
      );
    }
    await sleep(LOCK_POLL_MS);
  }
}

/** Whether it failed because another process holds a lock. */
export function saysLocked(stderr: string): boolean {
  return LOCKED.test(stderr);
}

/** The lines in which apt says what went wrong, or the end of its output. `undefined` where it went well. */
export function aptProblem(output: Output): string | undefined {
  if (output.code === 0) return undefined;
  const lines = `${output.stdout}\n${output.stderr}`.split('\n');
  const errors = lines.filter((line) => /^(?:E:|Err:|dpkg: error|W: GPG error|W: Failed)/.test(line));
  const shown = errors.length > 0 ? [...new Set(errors)].slice(0, 20) : lines.filter((line) => line !== '').slice(-20);
  return shown.join('\n');
}

function firstProblem(output: Output): string {
  return (LOCKED.exec(output.stderr) === null ? '' : output.stderr.split('\n').find((line) => LOCKED.test(line))) ?? '';
}

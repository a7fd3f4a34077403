/** Reconciles of a daemon in its steady state, and what its memory is when it has nothing to do. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DaemonOnHost } from '../test/agent/daemon-on-host.ts';
import { HARNESS_NODE } from '../test/hosts/container.ts';

const SCRIPT = join(import.meta.dirname, 'on-host/reconciles.ts');
const ON_HOST = '/var/tmp/reconciles.ts';
const SOCKET = '/run/holdfast/agent.sock';
const SAMPLE_MS = 5_000;

export interface WarmRuns {
  /** What the daemon says that the reconcile took. */
  readonly run_ms: readonly number[];
  /** From the request to the answer, as who asked had to wait. */
  readonly answer_ms: readonly number[];
  /** CPU time of the daemon, the answering included. */
  readonly cpu_ms: readonly number[];
  /** Processes and threads started on the host meanwhile. */
  readonly started: readonly number[];
}

/** Rejects where one of them did not find the host converged. */
export async function warmRuns({ host }: DaemonOnHost, times: number): Promise<WarmRuns> {
  await host.copyIn(SCRIPT, ON_HOST);
  const runs: readonly { verdict: string; run_ms: number; answer_ms: number; cpu_ms: number; started: number }[] =
    JSON.parse(await host.mustExec([HARNESS_NODE, ON_HOST, SOCKET, String(times)], { timeout_ms: 600_000 }));
  const bad = runs.find(({ verdict }) => verdict !== 'converged');
  if (bad !== undefined) throw new Error(`a warm reconcile found the host ${bad.verdict}`);
  return {
    run_ms: runs.map(({ run_ms }) => run_ms),
    answer_ms: runs.map(({ answer_ms }) => answer_ms),
    cpu_ms: runs.map(({ cpu_ms }) => cpu_ms),
    started: runs.map(({ started }) => started),
  };
}

export interface IdleMemory {
  readonly resident_mb: readonly number[];
  readonly anonymous_mb: readonly number[];
}

/**
 * Leaves the daemon alone for `idle_s`: nobody asks it anything, it only looks by its own schedule. Resolves to samples
 * of its memory over the second half of that time.
 */
export async function idleMemory(daemon: DaemonOnHost, idle_s: number): Promise<IdleMemory> {
  const begun = performance.now();
  const samples: { resident_kib: number; anonymous_kib: number }[] = [];
  for (let alone_ms = 0; alone_ms < idle_s * 1000; alone_ms = performance.now() - begun) {
    await delay(Math.min(SAMPLE_MS, (idle_s * 1000) / 4));
    // From /proc, which the daemon does not notice.
    if (alone_ms >= (idle_s * 1000) / 2) samples.push(await daemon.memory());
  }
  return {
    resident_mb: samples.map(({ resident_kib }) => resident_kib / 1024),
    anonymous_mb: samples.map(({ anonymous_kib }) => anonymous_kib / 1024),
  };
}

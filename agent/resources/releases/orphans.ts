import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../../host/host.ts';
import type { ProcessInfo } from '../../host/processes/port.ts';
import type { Layout } from './layout.ts';

const INIT_PID = 1;
const GONE_BOUND_MS = 5_000;

/**
 * Ends the builds that an agent left behind when it was killed: they would go on writing into a tree that is to be removed
 * or built. A migration is left to end by itself: half of one is worse, and the next one waits for its lock.
 */
export async function endOrphanedBuilds(layout: Layout, host: Pick<Host, 'processes'>): Promise<void> {
  await endAll('SIGKILL', GONE_BOUND_MS, host, (all) =>
    all
      .filter((process) => isOrphanedBuild(process, layout))
      .flatMap((orphan) => [orphan, ...descendants(orphan.pid, all)]),
  );
}

/**
 * Ends those of a master's workers that outlived it: one that dies of what it is told to end by leaves them behind, with their
 * memory and their sessions. They get the time to finish what they do. What they have started themselves is left alone.
 */
export async function endLeftBehind(
  workers: readonly ProcessInfo[],
  grace_ms: number,
  host: Pick<Host, 'processes'>,
): Promise<void> {
  const left = (all: readonly ProcessInfo[]) =>
    all.filter((process) => workers.some((before) => isSame(before, process)));
  try {
    await endAll('SIGTERM', grace_ms, host, left);
  } catch {
    await endAll('SIGKILL', GONE_BOUND_MS, host, left);
  }
}

/** Tells each of them once. Throws when not all are gone in time. */
async function endAll(
  signal: NodeJS.Signals,
  bound_ms: number,
  host: Pick<Host, 'processes'>,
  find: (all: readonly ProcessInfo[]) => readonly ProcessInfo[],
): Promise<void> {
  const deadline_ms = performance.now() + bound_ms;
  const told: ProcessInfo[] = [];
  for (;;) {
    const found = find(await host.processes.list()).filter(({ state }) => state !== 'Z');
    const [first] = found;
    if (first === undefined) return;
    if (performance.now() > deadline_ms) {
      throw new Error(`process ${first.pid} was left behind and does not end by ${signal}: ${first.argv.join(' ')}`);
    }
    for (const process of found.filter((one) => !told.some((before) => isSame(before, one)))) {
      await host.processes.signal(process, signal);
      told.push(process);
    }
    await sleep(50);
  }
}

/** Whoever lost its parent belongs to init. What supervisord runs has supervisord for a parent. */
export function isOrphanedBuild({ parentPid, argv, state }: ProcessInfo, { directory }: Layout): boolean {
  const ofVenv = argv.some((word) => word.startsWith(`${directory}/venvs/`));
  const builds = argv.includes('collectstatic') || (argv[1] === '-m' && (argv[2] === 'pip' || argv[2] === 'venv'));
  return parentPid === INIT_PID && state !== 'Z' && ofVenv && builds;
}

/** The start is computed from the boot time, which moves with the clock. */
function isSame(one: ProcessInfo, other: ProcessInfo): boolean {
  return one.pid === other.pid && Math.abs(one.started_ms - other.started_ms) < 1_000;
}

function descendants(pid: number, all: readonly ProcessInfo[]): readonly ProcessInfo[] {
  const children = all.filter((process) => process.parentPid === pid);
  return children.flatMap((child) => [child, ...descendants(child.pid, all)]);
}

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
export async function endOrphanedBuilds(layout: Layout, host: Host): Promise<void> {
  const deadline_ms = performance.now() + GONE_BOUND_MS;
  for (;;) {
    const all = await host.processes.list();
    const orphans = all.filter((process) => isOrphanedBuild(process, layout));
    if (orphans.length === 0) return;
    for (const process of orphans.flatMap((orphan) => [orphan, ...descendants(orphan.pid, all)])) {
      await host.processes.signal(process, 'SIGKILL');
    }
    if (performance.now() > deadline_ms) {
      throw new Error(`process ${orphans[0]?.pid} of an earlier build does not end: ${orphans[0]?.argv.join(' ')}`);
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

function descendants(pid: number, all: readonly ProcessInfo[]): readonly ProcessInfo[] {
  const children = all.filter((process) => process.parentPid === pid);
  return children.flatMap((child) => [child, ...descendants(child.pid, all)]);
}

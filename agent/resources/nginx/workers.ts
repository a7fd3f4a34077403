import type { ProcessInfo, ProcessReader } from '../../host/processes/port.ts';

/** The workers that take new connections; nginx renames those that only finish their last requests. */
export async function currentWorkers(masterPid: number, processes: ProcessReader): Promise<readonly ProcessInfo[]> {
  const children = await processes.children(masterPid);
  return children.filter((child) => isCurrentWorker(child.argv.join(' ')));
}

export function isCurrentWorker(title: string): boolean {
  return title.startsWith('nginx: worker process') && !title.includes('is shutting down');
}

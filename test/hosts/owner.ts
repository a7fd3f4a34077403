/** Who a container or network belongs to: a process, told apart from a later one with the same number. */
import { readFileSync } from 'node:fs';

/** `<pid>:<start time in clock ticks since boot>` of this process. */
export const OWN_TOKEN = `${process.pid}:${startTime(process.pid)}`;

/** Label of every container and network that a test process made. Its value is the process's token. */
export const OWNER_LABEL = 'holdfast.owner';

/** Whether the process that a token names still runs. */
export function isAlive(token: string): boolean {
  const [pid, start] = token.split(':');
  return start !== undefined && startTime(Number(pid)) === start;
}

function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name may hold spaces and parentheses, so fields count from the last one; starttime is field 22.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

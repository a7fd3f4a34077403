import { readdirSync, readFileSync, unlinkSync } from 'node:fs';
import type { OpenDirectory } from './parent.ts';

/** `.holdfast-PID-START-N`: a leading dot keeps it out of `*.conf` globs, run-parts and sudoers.d while it exists. */
const PATTERN = /^\.holdfast-(\d+)-(\d+)-\d+$/;

/** Names of this process's temporary files, and the removal of those that a killed process left behind. */
export class TemporaryNames {
  readonly #start = startOf('self') ?? '0';
  readonly #inUse = new Set<string>();
  #counter = 0;

  /** A name that is not in use; `release` it when the file is gone or renamed. */
  take(): string {
    this.#counter += 1;
    const name = `.holdfast-${process.pid}-${this.#start}-${this.#counter}`;
    this.#inUse.add(name);
    return name;
  }

  release(name: string): void {
    this.#inUse.delete(name);
  }

  removeStale(directory: OpenDirectory): void {
    for (const name of readdirSync(directory.at('.'))) {
      if (!name.startsWith('.holdfast-') || !this.#isStale(name)) continue;
      try {
        unlinkSync(directory.at(name));
      } catch {
        // Not worth failing a write for; the next write in this directory tries again.
      }
    }
  }

  #isStale(name: string): boolean {
    const [, pid, start] = PATTERN.exec(name) ?? [];
    if (pid === undefined || start === undefined || this.#inUse.has(name)) return false;
    return pid === String(process.pid) || startOf(pid) !== start;
  }
}

/** Start time in clock ticks since boot (`proc(5)`, field 22 of `stat`): with the pid it names a process for good. */
function startOf(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Reads what snapshot-list.sh prints of files and processes. Pure. */
import type { FileEntry, FileType, HostProcess } from './snapshot.ts';

/** As `find -printf %y` says them. */
const TYPES: Readonly<Record<string, FileType>> = { f: 'file', d: 'folder', l: 'link', s: 'socket', p: 'fifo' };

/** From `type mode uid gid size mtime ctime device:inode target`; the target of a link, and nothing for all else. */
export function parseFile(line: string): FileEntry {
  const [type = '', mode = '', uid, gid, size, mtime = '', ctime = '', , ...target] = line.split(' ');
  return {
    type: TYPES[type] ?? 'device',
    mode: mode.padStart(4, '0'),
    uid: Number(uid),
    gid: Number(gid),
    size: Number(size),
    mtime_ns: nanoseconds(mtime),
    ctime_ns: nanoseconds(ctime),
    content: target.join(' '),
  };
}

/** `find` prints seconds with ten decimals, the last of which is none of the file system's. */
function nanoseconds(seconds: string): string {
  const [whole = '', decimals = ''] = seconds.split('.');
  return whole + decimals.slice(0, 9).padEnd(9, '0');
}

/**
 * PostgreSQL's autovacuum workers, and its side of a session by socket: that ends a moment after the client, which is a
 * process of this host itself.
 */
const POSTGRES_PASSING = /^postgres: .*(?:autovacuum worker|\[local\])/;

interface Found extends HostProcess {
  readonly parent: number;
}

/**
 * All processes but those that `docker exec` started, those of PostgreSQL that come and go, and what has no command line:
 * it has ended, or is about to become something else. From `stat` and `cmdline` of each in /proc, under the headings that
 * `head -v` prints.
 */
export function parseProcesses(text: string): readonly HostProcess[] {
  const parts = `\n${text}`.split(/\n==> \/proc\/(\d+)\/(stat|cmdline) <==\n/);
  const stats = new Map<number, string>();
  const commands = new Map<number, string>();
  for (let at = 1; at + 2 < parts.length; at += 3) {
    (parts[at + 1] === 'stat' ? stats : commands).set(Number(parts[at]), parts[at + 2] ?? '');
  }
  const found = new Map([...stats].map(([pid, stat]) => [pid, processOf(pid, stat, commands.get(pid) ?? '')]));
  return [...found.values()]
    .filter(({ pid, command }) => rootOf(pid, found) === 1 && command !== '' && !POSTGRES_PASSING.test(command))
    .map(({ pid, started, command }) => ({ pid, started, command }));
}

function processOf(pid: number, stat: string, command: string): Found {
  // The name may hold spaces and parentheses, so fields count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { pid, started: fields[19] ?? '', command: command.trim(), parent: Number(fields[1]) };
}

/** A command of `docker exec` has a parent outside of the container: 0. */
function rootOf(pid: number, found: ReadonlyMap<number, Found>): number {
  const parent = found.get(pid)?.parent ?? 0;
  return parent === 0 ? pid : rootOf(parent, found);
}

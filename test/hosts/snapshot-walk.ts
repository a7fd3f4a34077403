/**
 * Runs on the host, sent through stdin, and prints a snapshot's files, packages and processes as JSON.
 * It must therefore import nothing but Node's own modules and types.
 */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { FileEntry, FileType, HostProcess, WalkResult } from './snapshot.ts';

/** Kernel views, and what journald, systemd and a running PostgreSQL write by themselves all the time. */
const NOT_WALKED =
  /^\/(?:proc|sys|dev|\.holdfast-test|run\/(?:systemd|credentials|log|utmp)|var\/log\/(?:journal|wtmp)|var\/lib\/systemd\/timers|var\/lib\/postgresql\/[^/]+\/[^/]+\/(?:base|global|pg_[^/]+))$/;

/** Logs grow while nobody does anything: their owner and mode count, their content and times do not. */
const LOG = /^\/var\/log\//;

/** Large and owned by packages: known by their times, which no write can leave as they were, and not by a hash. */
const NOT_HASHED = /^\/(?:usr\/(?!local\/)|var\/cache\/apt\/|var\/lib\/apt\/lists\/|opt\/wheels\/)/;

function walk(folder: string, files: Record<string, FileEntry>): void {
  for (const name of readdirSync(folder)) {
    const path = folder === '/' ? `/${name}` : `${folder}/${name}`;
    if (NOT_WALKED.test(path)) continue;
    // A file may go between the listing and the look at it: then it is not there.
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) continue;
    files[path] = entryOf(path, stat);
    if (stat.isDirectory()) walk(path, files);
  }
}

function entryOf(path: string, stat: BigIntStats): FileEntry {
  const type = typeOf(stat);
  const isLog = type === 'file' && LOG.test(path);
  return {
    type,
    mode: (Number(stat.mode) & 0o7777).toString(8).padStart(4, '0'),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    // A folder's size is its file system's affair.
    size: isLog || type === 'folder' ? 0 : Number(stat.size),
    mtime_ns: isLog ? '' : String(stat.mtimeNs),
    ctime_ns: isLog ? '' : String(stat.ctimeNs),
    content: isLog ? '' : contentOf(path, type),
  };
}

function contentOf(path: string, type: FileType): string {
  if (type === 'link') return readlinkSync(path);
  if (type !== 'file' || NOT_HASHED.test(path)) return '';
  try {
    return hash('sha256', readFileSync(path), 'hex');
  } catch (error) {
    return `unreadable: ${String(error)}`;
  }
}

function typeOf(stat: BigIntStats): FileType {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'folder';
  if (stat.isSymbolicLink()) return 'link';
  if (stat.isSocket()) return 'socket';
  return stat.isFIFO() ? 'fifo' : 'device';
}

/** `name:architecture version status`, the status as dpkg abbreviates it (`ii` installed, `hi` held). */
function packages(): readonly string[] {
  const format = '${Package}:${Architecture} ${Version} ${db:Status-Abbrev}\n';
  return execFileSync('dpkg-query', ['--show', '--showformat', format], { encoding: 'utf8' }).trim().split('\n');
}

/**
 * All processes but those that `docker exec` started, PostgreSQL's autovacuum workers, which come and go, and what has no
 * command line: it has ended, or is about to become something else.
 */
function processes(): readonly HostProcess[] {
  const found = new Map<number, HostProcess & { parent: number }>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      found.set(Number(name), { pid: Number(name), started: fields[19] ?? '', command, parent: Number(fields[1]) });
    } catch {
      // It ended while we looked.
    }
  }
  return [...found.values()]
    .filter(
      ({ pid, command }) => rootOf(pid) === 1 && command !== '' && !/^postgres: .*autovacuum worker/.test(command),
    )
    .map(({ pid, started, command }) => ({ pid, started, command }));

  /** A command of `docker exec` has a parent outside of the container: 0. */
  function rootOf(pid: number): number {
    const parent = found.get(pid)?.parent ?? 0;
    return parent === 0 ? pid : rootOf(parent);
  }
}

const files: Record<string, FileEntry> = {};
// The processes before the walk, which takes long enough for others to come and go.
const result: WalkResult = { processes: processes(), packages: packages(), files };
walk('/', files);
process.stdout.write(JSON.stringify(result));

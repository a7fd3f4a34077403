/** A host's whole state at one moment: the proof that something changed nothing, or only what it said. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from './host.ts';
import { parseFile, parseProcesses } from './snapshot-parse.ts';

export type FileType = 'file' | 'folder' | 'link' | 'socket' | 'fifo' | 'device';

export interface FileEntry {
  readonly type: FileType;
  /** Four octal digits. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for folders and logs. */
  readonly size: number;
  /** Nanoseconds since 1970; empty for logs and the folders of PostgreSQL's clusters. */
  readonly mtime_ns: string;
  readonly ctime_ns: string;
  /** sha256 of a file, target of a link; empty where only size and times are compared. */
  readonly content: string;
}

export interface HostProcess {
  readonly pid: number;
  /** In clock ticks since the machine's boot: tells a process from its successor of the same number. */
  readonly started: string;
  readonly command: string;
}

export interface Snapshot {
  readonly files: Readonly<Record<string, FileEntry>>;
  /** `name:architecture version status`, the status as dpkg abbreviates it (`ii` installed, `hi` held). */
  readonly packages: readonly string[];
  readonly processes: readonly HostProcess[];
  /** Lines that tell PostgreSQL's roles, databases, schemas, grants and settings; none where no server runs. */
  readonly postgres: readonly string[];
}

/**
 * What earlier snapshots of a host found, by path: a file is read again unless its line, with inode, size and times, is the
 * one that it had then. No write leaves the time of the last change (ctime) as it was, and no program can set it.
 */
export type KnownFiles = Map<string, { readonly line: string; readonly entry: FileEntry }>;

const LIST_SCRIPT = readFileSync(join(import.meta.dirname, 'snapshot-list.sh'), 'utf8');
const LIST_TIMEOUT_MS = 60_000;
const POSTGRES_SOCKET = '/run/postgresql/.s.PGSQL.5432';

/** A file that changed less than this before it was read may change again within the same tick of the kernel's clock. */
const RACY_MS = 1000;

/** Logs grow while nobody does anything: their owner and mode count, their content and times do not. */
const LOG = /^\/var\/log\//;

/** The folder of a cluster's data: a checkpoint changes its times, whoever looks on. */
const CLUSTER = /^\/var\/lib\/postgresql\/[^/]+\/[^/]+$/;

/** Large and owned by packages: known by their times, which no write can leave as they were, and not by a hash. */
const NOT_HASHED = /^\/(?:usr\/(?!local\/)|var\/cache\/apt\/|var\/lib\/apt\/lists\/|opt\/wheels\/)/;

const SERVER_SETTINGS = `
  select 'setting ' || name || ' = ' || coalesce(setting, '') || ' from ' || source || case when pending_restart
    then ', restart pending' else '' end from pg_settings where source not in ('default', 'client', 'session');
  select 'hba ' || row(line_number, type, database, user_name, address, netmask, auth_method, options, error)::text
    from pg_hba_file_rules`;

export async function takeSnapshot(host: Host, known: KnownFiles): Promise<Snapshot> {
  const begun_ms = Date.now();
  const text = await host.mustExec(
    ['bash', '-u', '-o', 'pipefail', '-c', LIST_SCRIPT, 'snapshot', POSTGRES_SOCKET, SERVER_SETTINGS],
    { timeout_ms: LIST_TIMEOUT_MS },
  );
  const [processes, packages, files, postgres, ...rest] = text.split('\0\0');
  if (processes === undefined || packages === undefined || files === undefined || postgres === undefined) {
    throw new Error(`${host.name}: its state could not be listed: ${text.slice(-2000)}`);
  }
  if (rest.length > 0) throw new Error(`${host.name}: a part of its state holds two NULs: ${rest[0]?.slice(0, 200)}`);
  return {
    files: await entriesOf(host, files, { begun_ms, known }),
    packages: packages.trim().split('\n'),
    processes: parseProcesses(processes),
    // pg_dump draws a new \restrict key every time.
    postgres: postgres.split('\n').filter((line) => line !== '' && !/^(--|\\(un)?restrict )/.test(line)),
  };
}

/** From `path NUL line NUL …`. What is not known is read, and remembered unless it may change again without a trace. */
async function entriesOf(
  host: Host,
  text: string,
  { begun_ms, known }: { begun_ms: number; known: KnownFiles },
): Promise<Snapshot['files']> {
  const files: Record<string, FileEntry> = {};
  const unknown: { path: string; line: string; entry: FileEntry }[] = [];
  const parts = text.split('\0');
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [path = '', line = ''] = [parts[at], parts[at + 1]];
    const before = known.get(path);
    if (before?.line === line) files[path] = before.entry;
    else unknown.push({ path, line, entry: parseFile(line) });
  }
  const hashes = await hashesOf(
    host,
    unknown.filter(({ path, entry }) => isHashed(path, entry)).map(({ path }) => path),
  );
  for (const { path, line, entry: listed } of unknown) {
    const entry = lasting(
      path,
      isHashed(path, listed) ? { ...listed, content: hashes.get(path) ?? 'unreadable' } : listed,
    );
    files[path] = entry;
    if (Number(listed.ctime_ns.slice(0, -NS_DIGITS_OF_MS)) < begun_ms - RACY_MS) known.set(path, { line, entry });
    else known.delete(path);
  }
  return files;
}

const NS_DIGITS_OF_MS = 6;
const SHA256_DIGITS = 64;

/** By path; a file that is gone by now, or cannot be read, is not among them. */
async function hashesOf(host: Host, paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (paths.length === 0) return new Map();
  const { stdout } = await host.exec(['xargs', '-0', 'sha256sum', '--zero', '--'], {
    input: paths.map((path) => `${path}\0`).join(''),
    timeout_ms: LIST_TIMEOUT_MS,
  });
  // `hash`, two spaces, `path`.
  return new Map(stdout.split('\0').map((line) => [line.slice(SHA256_DIGITS + 2), line.slice(0, SHA256_DIGITS)]));
}

function isHashed(path: string, { type }: FileEntry): boolean {
  return type === 'file' && !LOG.test(path) && !NOT_HASHED.test(path);
}

/** Without what changes by itself. */
function lasting(path: string, entry: FileEntry): FileEntry {
  if (entry.type === 'file' && LOG.test(path)) return { ...entry, size: 0, mtime_ns: '', ctime_ns: '', content: '' };
  if (CLUSTER.test(path)) return { ...entry, size: 0, mtime_ns: '', ctime_ns: '' };
  // A folder's size is its file system's affair.
  return entry.type === 'folder' ? { ...entry, size: 0 } : entry;
}

/** A host's whole state at one moment: the proof that something changed nothing, or only what it said. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HARNESS_NODE } from './container.ts';
import type { Host } from './host.ts';

export type FileType = 'file' | 'folder' | 'link' | 'socket' | 'fifo' | 'device';

export interface FileEntry {
  readonly type: FileType;
  /** Four octal digits. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for folders and logs. */
  readonly size: number;
  /** Nanoseconds since 1970; empty for logs. */
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

/** What snapshot-walk.ts prints. */
export interface WalkResult {
  readonly files: Readonly<Record<string, FileEntry>>;
  readonly packages: readonly string[];
  readonly processes: readonly HostProcess[];
}

export interface Snapshot extends WalkResult {
  /** Lines that tell PostgreSQL's roles, databases, schemas, grants and settings; none where no server runs. */
  readonly postgres: readonly string[];
}

const WALK_SCRIPT = readFileSync(join(import.meta.dirname, 'snapshot-walk.ts'), 'utf8');
const WALK_TIMEOUT_MS = 60_000;
const POSTGRES_SOCKET = '/run/postgresql/.s.PGSQL.5432';

const SERVER_SETTINGS = `
  select 'setting ' || name || ' = ' || coalesce(setting, '') || ' from ' || source || case when pending_restart
    then ', restart pending' else '' end from pg_settings where source not in ('default', 'client', 'session');
  select 'hba ' || row(line_number, type, database, user_name, address, netmask, auth_method, options, error)::text
    from pg_hba_file_rules`;

export async function takeSnapshot(host: Host): Promise<Snapshot> {
  const walked = await host.mustExec([HARNESS_NODE, '--input-type=module-typescript', '-'], {
    input: WALK_SCRIPT,
    timeout_ms: WALK_TIMEOUT_MS,
  });
  const result = parseWalk(walked);
  return { ...result, postgres: POSTGRES_SOCKET in result.files ? await postgresLines(host) : [] };
}

function parseWalk(text: string): WalkResult {
  const result: WalkResult = JSON.parse(text);
  return result;
}

async function postgresLines(host: Host): Promise<readonly string[]> {
  const options = { user: 'postgres', cwd: '/' };
  const [dump, settings] = await Promise.all([
    host.exec(['pg_dumpall', '--schema-only'], options),
    host.exec(['psql', '-XAtq', '--dbname', 'postgres'], { ...options, input: SERVER_SETTINGS }),
  ]);
  return [dump, settings].flatMap((result) =>
    result.code === 0
      ? // pg_dump draws a new \restrict key every time.
        result.stdout.split('\n').filter((line) => line !== '' && !/^(--|\\(un)?restrict )/.test(line))
      : [`unavailable: ${result.stderr.trim()}`],
  );
}

import { dirname } from 'node:path';
import type { ProbeRunner } from '../commands/port.ts';
import type { FileStat, FileWriter } from '../files/port.ts';
import { Candidates } from './candidates.ts';
import { parseAutomatic } from './extended-states.ts';
import type { InstalledPackage, PackageWriter } from './port.ts';
import { parseStatus } from './status.ts';

const STATUS = '/var/lib/dpkg/status';
const EXTENDED_STATES = '/var/lib/apt/extended_states';
const UPDATES = '/var/lib/dpkg/updates';
const LISTS = '/var/lib/apt/lists';
/** The stamp that Ubuntu's and Debian's own periodic jobs know, so that their refreshes count here and ours there. */
const FETCHED_STAMPS = ['/var/lib/apt/periodic/update-success-stamp', '/var/lib/apt/periodic/update-stamp'] as const;

const CACHE_DIRECTORY = '/var/cache/holdfast';
const CANDIDATES_CACHE = `${CACHE_DIRECTORY}/package-candidates.json`;
const FAILED_STAMP = `${CACHE_DIRECTORY}/package-lists-failed`;

const BETWEEN_STATES = new Set([
  'half-installed',
  'unpacked',
  'half-configured',
  'triggers-awaited',
  'triggers-pending',
]);

const ROOT_FILE = { uid: 0, gid: 0, mode: 0o644 };
const ROOT_DIRECTORY = { uid: 0, gid: 0, mode: 0o755 };

export function linuxPackages({
  files,
  probe,
}: {
  readonly files: FileWriter;
  readonly probe: ProbeRunner;
}): PackageWriter {
  const candidates = new Candidates({ files, probe, path: CANDIDATES_CACHE });
  const installed = remembered<ReadonlyMap<string, InstalledPackage>>(files, STATUS, parseStatus);
  const marks = remembered(files, EXTENDED_STATES, (content) => parseAutomatic(content.toString('utf8')));
  const changed_ms = async (path: string) => (await files.statTarget(path))?.mtime_ms ?? 0;
  const listsFetched_ms = async () => Math.max(...(await Promise.all([LISTS, ...FETCHED_STAMPS].map(changed_ms))));

  async function touch(path: string): Promise<void> {
    const directory = dirname(path);
    if ((await files.stat(directory)) === undefined) await files.makeDirectory(directory, ROOT_DIRECTORY);
    await files.write(path, '', ROOT_FILE);
  }

  return {
    installed,
    automatic: async () => {
      const native = (await installed()).get('dpkg')?.architecture;
      return new Set(
        (await marks()).map(({ name, architecture }) => (architecture === native ? name : `${name}:${architecture}`)),
      );
    },
    interrupted: async () => {
      if (((await files.list(UPDATES)) ?? []).length > 0) return true;
      for (const { status } of (await installed()).values()) if (BETWEEN_STATES.has(status)) return true;
      return false;
    },
    candidates: (names) => candidates.of(names),
    listsFetched_ms: async () => ((await listsAreThere(files)) ? listsFetched_ms() : 0),
    refreshTried_ms: async () => Math.max(await listsFetched_ms(), await changed_ms(FAILED_STAMP)),
    noteRefresh: (result) => touch(result === 'fetched' ? FETCHED_STAMPS[0] : FAILED_STAMP),
    rememberCandidates: async (names) => {
      await candidates.of(names, { aptCache: 'may write' });
      if ((await files.stat(CACHE_DIRECTORY)) === undefined) await files.makeDirectory(CACHE_DIRECTORY, ROOT_DIRECTORY);
      await candidates.save();
    },
  };
}

/** An image may be baked with the lists removed; then the stamps say nothing. */
async function listsAreThere(files: FileWriter): Promise<boolean> {
  return ((await files.list(LISTS)) ?? []).some((name) => name.endsWith('Release') || name.includes('_Packages'));
}

function remembered<T>(files: FileWriter, path: string, parse: (content: Buffer) => T): () => Promise<T> {
  let last: { readonly stat: FileStat | undefined; readonly value: T } | undefined;
  return async () => {
    const stat = await files.statTarget(path);
    if (last !== undefined && sameTimes(last.stat, stat)) return last.value;
    const value = parse((await files.read(path)) ?? Buffer.alloc(0));
    last = { stat, value };
    return value;
  };
}

function sameTimes(a: FileStat | undefined, b: FileStat | undefined): boolean {
  return (
    a?.inode === b?.inode &&
    a?.size_bytes === b?.size_bytes &&
    a?.mtime_ms === b?.mtime_ms &&
    a?.ctime_ms === b?.ctime_ms
  );
}

import { posix } from 'node:path';
import type { FileReader, FileStat } from '../files/port.ts';

/** All that decides what apt would install: a change of any of them makes an answer of `apt-cache policy` stale. */
const FILES = [
  '/var/lib/dpkg/status',
  '/var/lib/dpkg/arch',
  '/etc/apt/sources.list',
  '/etc/apt/preferences',
  '/etc/apt/apt.conf',
];
const DIRECTORIES = ['/etc/apt/sources.list.d', '/etc/apt/preferences.d', '/etc/apt/apt.conf.d'];
const LISTS = '/var/lib/apt/lists';
const APT_CACHE = '/var/cache/apt/pkgcache.bin';

export interface Fingerprint {
  readonly text: string;
  /** apt's own cache is newer than all of it, so that apt only reads the cache and does not write it anew. */
  readonly aptCacheIsFresh: boolean;
}

/** By stat alone: about 30 files, 0.1 ms. */
export async function fingerprint(files: FileReader): Promise<Fingerprint> {
  const paths = [...FILES, LISTS, ...DIRECTORIES];
  for (const directory of DIRECTORIES) {
    for (const name of (await files.list(directory)) ?? []) paths.push(posix.join(directory, name));
  }
  const stats = await Promise.all(paths.map((path) => files.statTarget(path)));
  const newest = Math.max(...stats.map((stat) => stat?.mtime_ms ?? 0));
  const cache = await files.statTarget(APT_CACHE);
  return {
    text: paths.map((path, index) => `${path} ${statText(stats[index])}`).join('\n'),
    aptCacheIsFresh: cache !== undefined && cache.mtime_ms > newest,
  };
}

function statText(stat: FileStat | undefined): string {
  return stat === undefined ? '-' : `${stat.inode} ${stat.size_bytes} ${stat.mtime_ms} ${stat.ctime_ms}`;
}

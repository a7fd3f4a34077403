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

/** By stat alone: about 30 files, 0.1 ms. Equal texts mean that apt would answer the same. */
export async function fingerprint(files: FileReader): Promise<string> {
  const paths = [...FILES, LISTS, ...DIRECTORIES];
  for (const directory of DIRECTORIES) {
    for (const name of (await files.list(directory)) ?? []) paths.push(posix.join(directory, name));
  }
  const stats = await Promise.all(paths.map((path) => files.statTarget(path)));
  return paths.map((path, index) => `${path} ${statText(stats[index])}`).join('\n');
}

function statText(stat: FileStat | undefined): string {
  return stat === undefined ? '-' : `${stat.inode} ${stat.size_bytes} ${stat.mtime_ms} ${stat.ctime_ms}`;
}

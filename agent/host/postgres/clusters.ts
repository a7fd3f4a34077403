import { join } from 'node:path';
import type { FileReader } from '../files/port.ts';
import type { ConfigurationReader } from './configuration.ts';
import type { Cluster, Configuration } from './port.ts';

/** Debian's postgresql-common layout: `/etc/postgresql/VERSION/NAME/postgresql.conf`. */
export interface Layout {
  readonly etc: string;
  readonly lib: string;
}

export const DEBIAN_LAYOUT: Layout = { etc: '/etc/postgresql', lib: '/usr/lib/postgresql' };

const DEFAULT_PORT = 5432;
const DEFAULT_SOCKET_DIRECTORY = '/var/run/postgresql';

export async function readClusters(
  files: FileReader,
  reader: ConfigurationReader,
  layout: Layout,
): Promise<readonly Cluster[]> {
  const clusters: Cluster[] = [];
  for (const version of await versions(files, layout.etc)) {
    for (const name of (await files.list(join(layout.etc, version))) ?? []) {
      const directory = join(layout.etc, version, name);
      if ((await files.statTarget(join(directory, 'postgresql.conf')))?.type !== 'file') continue;
      clusters.push(await readCluster({ files, reader, layout, version, name, directory }));
    }
  }
  return clusters;
}

export async function readInstalledVersions(files: FileReader, layout: Layout): Promise<readonly string[]> {
  const found: string[] = [];
  for (const version of await versions(files, layout.lib)) {
    if ((await files.statTarget(join(layout.lib, version, 'bin/postgres'))) !== undefined) found.push(version);
  }
  return found;
}

async function versions(files: FileReader, directory: string): Promise<readonly string[]> {
  const names = (await files.list(directory)) ?? [];
  return names.filter((name) => /^\d+(?:\.\d+)?$/.test(name)).toSorted((a, b) => Number(a) - Number(b));
}

interface Place {
  readonly files: FileReader;
  readonly reader: ConfigurationReader;
  readonly layout: Layout;
  readonly version: string;
  readonly name: string;
  readonly directory: string;
}

async function readCluster(place: Place): Promise<Cluster> {
  const main = await place.reader.read([join(place.directory, 'postgresql.conf')]);
  const dataDirectory = lastValue(main, 'data_directory') ?? `/var/lib/postgresql/${place.version}/${place.name}`;
  const whole = await place.reader.read(configRoots(place.directory, dataDirectory));
  const running = await runningAddress(place.files, dataDirectory);
  return {
    version: place.version,
    name: place.name,
    configDirectory: place.directory,
    dataDirectory,
    hbaFile: lastValue(whole, 'hba_file') ?? join(place.directory, 'pg_hba.conf'),
    binaries: join(place.layout.lib, place.version, 'bin'),
    port: running?.port ?? Number(lastValue(whole, 'port') ?? DEFAULT_PORT),
    socketDirectory:
      running?.socketDirectory ??
      lastValue(whole, 'unix_socket_directories')?.split(',')[0]?.trim() ??
      DEFAULT_SOCKET_DIRECTORY,
    unit: `postgresql@${place.version}-${place.name}.service`,
  };
}

export function configRoots(configDirectory: string, dataDirectory: string): readonly string[] {
  return [join(configDirectory, 'postgresql.conf'), join(dataDirectory, 'postgresql.auto.conf')];
}

/** What the running server says of itself in `postmaster.pid`: the file may already hold a port that only a restart takes. */
async function runningAddress(
  files: FileReader,
  dataDirectory: string,
): Promise<{ readonly port: number; readonly socketDirectory: string } | undefined> {
  const text = await files.readText(join(dataDirectory, 'postmaster.pid'));
  const lines = text?.split('\n') ?? [];
  const port = Number(lines[3]);
  const socketDirectory = lines[4]?.trim();
  if (!Number.isInteger(port) || port <= 0 || socketDirectory === undefined || socketDirectory === '') return undefined;
  return { port, socketDirectory };
}

function lastValue(configuration: Configuration, name: string): string | undefined {
  return configuration.order.findLast((assignment) => assignment.name === name)?.value;
}

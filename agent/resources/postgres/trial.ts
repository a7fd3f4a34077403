import { dirname, join, relative } from 'node:path';
import type { UserRecord } from '../../host/accounts/port.ts';
import type { Host } from '../../host/host.ts';
import type { Cluster } from '../../host/postgres/port.ts';
import { Stalled } from '../../resource.ts';
import { mainConfig } from './observe.ts';
import type { Change } from './state.ts';

type SettingsChange = Extract<Change, { readonly type: 'settings' }>;

const TIMEOUT_MS = 30_000;
/**
 * To print this one, the server goes through its start up to where it would take memory: it parses all files, checks
 * every value and how they go together, and loads the preloaded libraries. It came with PostgreSQL 15; older ones print
 * another, and check the values alone.
 */
const COMPUTED = 'shared_memory_size';
const COMPUTED_SINCE = 15;

/**
 * Starts the server up to the point where it would run, on copies of its files beside a data directory that has no
 * data. Rejects with what it says.
 */
export async function tryConfiguration(change: SettingsChange, host: Host): Promise<void> {
  const { cluster } = change;
  const owner = await host.accounts.user('postgres');
  if (owner === undefined) throw new Error('there is no user postgres on this host');
  const directory = `/run/holdfast-postgres-${cluster.version}-${cluster.name}`;
  await host.files.removeTree(directory);
  try {
    await layOut(change, directory, owner, host);
    const { code, stdout, stderr } = await host.run({
      argv: [
        join(cluster.binaries, 'postgres'),
        '-C',
        Number(cluster.version) >= COMPUTED_SINCE ? COMPUTED : 'max_connections',
        `--config-file=${join(directory, 'config/postgresql.conf')}`,
        `--data-directory=${join(directory, 'data')}`,
      ],
      user: 'postgres',
      timeout_ms: TIMEOUT_MS,
      okCodes: [0, 1, 2],
      cwd: '/',
    });
    if (code !== 0) throw refusal(change, stderr.replaceAll(`${directory}/config`, cluster.configDirectory));
    if (Number(cluster.version) >= COMPUTED_SINCE) await checkMemory(change, Number(stdout.trim()), host);
  } finally {
    await host.files.removeTree(directory);
  }
}

async function layOut(
  { cluster, configuration, edits }: SettingsChange,
  directory: string,
  owner: UserRecord,
  host: Host,
): Promise<void> {
  const mine = { uid: owner.uid, gid: owner.gid };
  const made = new Set<string>();
  const makeDirectory = async (path: string): Promise<void> => {
    if (made.has(path)) return;
    if (path !== directory) await makeDirectory(dirname(path));
    await host.files.makeDirectory(path, { ...mine, mode: 0o700 });
    made.add(path);
  };
  const write = async (path: string, content: string | Uint8Array): Promise<void> => {
    await makeDirectory(dirname(path));
    await host.files.write(path, content, { ...mine, mode: 0o600 });
  };
  await makeDirectory(join(directory, 'config/conf.d'));
  for (const { path, text } of configuration.files) {
    const after = edits.find((edit) => edit.path === path)?.after ?? text;
    const copy = copyPath(path, cluster, directory);
    if (copy !== undefined) await write(copy, after);
  }
  for (const name of ['PG_VERSION', 'global/pg_control']) {
    const content = await host.files.read(join(cluster.dataDirectory, name));
    if (content === undefined) throw new Error(`${join(cluster.dataDirectory, name)} is missing`);
    await write(join(directory, 'data', name), content);
  }
}

/** Files elsewhere, which a configuration can include by their full path, are read where they are. */
function copyPath(path: string, cluster: Cluster, directory: string): string | undefined {
  if (path === mainConfig(cluster)) return join(directory, 'config/postgresql.conf');
  for (const [from, to] of [
    [cluster.configDirectory, 'config'],
    [cluster.dataDirectory, 'data'],
  ] as const) {
    const inside = relative(from, path);
    if (!inside.startsWith('..')) return join(directory, to, inside);
  }
  return undefined;
}

function refusal({ names, edits }: SettingsChange, stderr: string): Error {
  const said = stderr
    .split('\n')
    .map((line) => line.replace(/^.*?\b(?=(?:LOG|FATAL|ERROR|DETAIL|HINT|WARNING):)/, '').trim())
    .filter((line) => line !== '')
    .join(' ');
  const message = `PostgreSQL would not start with this configuration; nothing was changed: ${said}`;
  const declaredAtFault = edits.length > 0 && names.some((name) => said.includes(`"${name}"`) || said.includes(name));
  return declaredAtFault ? new Stalled(message) : new Error(message);
}

/** `shared_buffers` above what the machine has makes the server die when it maps them. */
async function checkMemory({ names }: SettingsChange, wanted_mb: number, host: Host): Promise<void> {
  const meminfo = (await host.files.readText('/proc/meminfo')) ?? '';
  const total_kb = ['MemTotal', 'SwapTotal'].reduce((sum, key) => {
    return sum + Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1] ?? 0);
  }, 0);
  if (total_kb === 0 || !(wanted_mb * 1024 > total_kb)) return;
  throw new Stalled(
    `PostgreSQL would take ${wanted_mb} MB of shared memory and this machine has ${Math.floor(total_kb / 1024)} MB with its swap (${names.join(', ')}); nothing was changed`,
  );
}

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FileReader } from '../files/port.ts';
import { configRoots, DEBIAN_LAYOUT, type Layout, readClusters, readInstalledVersions } from './clusters.ts';
import { ConfigurationReader } from './configuration.ts';
import { accessOf } from './failure.ts';
import { isVerifier, scramVerifier, storedMatches } from './password.ts';
import type { PeerIdentity } from './peer-socket.ts';
import type { Access, Cluster, PostgresWriter, QueryOptions, Row, SqlValue, Statement } from './port.ts';
import { Session } from './session.ts';
import { Sessions } from './sessions.ts';

/** More than any host has roles with a password. */
const MAX_REMEMBERED_PASSWORDS = 500;

/** What could write a statement, and the verifier in it, to a log or to a view. */
const QUIET: readonly Statement[] = [
  "set local log_statement = 'none'",
  'set local log_min_duration_statement = -1',
  'set local log_min_duration_sample = -1',
  "set local log_min_error_statement = 'panic'",
  'set local log_transaction_sample_rate = 0',
  'set local log_duration = off',
  'set local track_activities = off',
  "set local pg_stat_statements.track = 'none'",
  "set local pgaudit.log = 'none'",
].map((sql) => ({ sql }));

export function linuxPostgres(options: { readonly files: FileReader; readonly layout?: Layout }): PostgresWriter {
  return new LinuxPostgres(options.files, options.layout ?? DEBIAN_LAYOUT);
}

class LinuxPostgres implements PostgresWriter {
  readonly #files: FileReader;
  readonly #layout: Layout;
  readonly #configuration: ConfigurationReader;
  readonly #sessions = new Sessions();
  readonly #writes = new Map<string, Promise<unknown>>();
  readonly #passwords = new Map<string, boolean>();

  constructor(files: FileReader, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
    this.#configuration = new ConfigurationReader(files);
  }

  clusters(): Promise<readonly Cluster[]> {
    return readClusters(this.#files, this.#configuration, this.#layout);
  }

  installedVersions(): Promise<readonly string[]> {
    return readInstalledVersions(this.#files, this.#layout);
  }

  configuration(cluster: Cluster) {
    return this.#configuration.read(configRoots(cluster.configDirectory, cluster.dataDirectory));
  }

  async query(
    cluster: Cluster,
    database: string,
    sql: string,
    values: readonly SqlValue[] = [],
    options: QueryOptions = {},
  ): Promise<readonly Row[] | undefined> {
    const identity = await this.#identity();
    return this.#sessions.use(
      () => this.#sessions.get(cluster, database, identity, options.connectedAfter_ms),
      (session) => session.query(sql, values),
    );
  }

  async access(cluster: Cluster): Promise<Access> {
    try {
      const { socketDirectory, port } = cluster;
      const session = await Session.open({
        socketDirectory,
        port,
        database: 'postgres',
        identity: await this.#identity(),
      });
      session.close();
      return { state: 'ready', reason: '' };
    } catch (error) {
      const access = accessOf(error);
      if (access === undefined) throw error;
      return access;
    }
  }

  passwordMatches(stored: string, wanted: string): boolean {
    const key = createHash('sha256').update(stored).update('\0').update(wanted).digest('base64');
    const known = this.#passwords.get(key);
    if (known !== undefined) return known;
    const matches = storedMatches(stored, wanted);
    if (this.#passwords.size >= MAX_REMEMBERED_PASSWORDS) this.#passwords.clear();
    this.#passwords.set(key, matches);
    return matches;
  }

  async execute(cluster: Cluster, database: string, statements: readonly Statement[]): Promise<void> {
    const identity = await this.#identity();
    const before = this.#writes.get(cluster.unit) ?? Promise.resolve();
    const write = before
      .then(() => this.#sessions.get(cluster, database, identity))
      .then((session) => session.execute(statements));
    this.#writes.set(
      cluster.unit,
      write.catch(() => {}),
    );
    await write;
  }

  async setPassword(cluster: Cluster, role: string, password: string | null): Promise<void> {
    const name = `"${role.replaceAll('"', '""')}"`;
    await this.execute(cluster, 'postgres', [
      ...QUIET,
      { sql: `alter role ${name} password ${password === null ? 'null' : `'${verifierOf(password)}'`}` },
    ]);
  }

  async reload(cluster: Cluster): Promise<void> {
    const pidFile = join(cluster.dataDirectory, 'postmaster.pid');
    const pid = Number((await this.#files.readText(pidFile))?.split('\n')[0]);
    if (!Number.isInteger(pid) || pid <= 1) throw new Error(`no server to reload: ${pidFile} names no process`);
    const name = (await this.#files.readText(`/proc/${pid}/comm`))?.trim();
    if (name !== 'postgres') throw new Error(`no server to reload: process ${pid} of ${pidFile} is gone`);
    process.kill(pid, 'SIGHUP');
    this.#sessions.close(cluster);
  }

  async #identity(): Promise<PeerIdentity> {
    const passwd = (await this.#files.readText('/etc/passwd')) ?? '';
    const [, , uid, gid] = /^postgres:.*$/m.exec(passwd)?.[0].split(':') ?? [];
    if (uid === undefined || gid === undefined) throw new Error('there is no user postgres in /etc/passwd');
    return { uid: Number(uid), gid: Number(gid) };
  }
}

function verifierOf(password: string): string {
  return isVerifier(password) ? password : scramVerifier(password);
}

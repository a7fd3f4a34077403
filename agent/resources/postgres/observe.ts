import { join } from 'node:path';
import * as v from 'valibot';
import { type MaybeSecret, reveal } from '../../../desired-state/schema/secret.ts';
import type { HostReader } from '../../host/host.ts';
import type { Cluster, Configuration } from '../../host/postgres/port.ts';
import { type ClusterFacts, type ContentFacts, clusterFacts, contentFacts, type RoleFact } from './facts.ts';
import { CLUSTER_SQL, CONTENT_SQL } from './queries.ts';
import { versionedRoles, withVersions } from './role-versions.ts';
import { contentParameters, hasContent } from './selection.ts';
import type { HbaFile, ServerState, Spec, State } from './state.ts';

const OTHERS_MAY = 0o007;
export const PREVIOUS_SUFFIX = '.holdfast-previous';

export async function observe(spec: Spec, host: HostReader): Promise<State> {
  const clusters = await host.postgres.clusters();
  const fitting = clusters.filter((one) => fits(one, spec.cluster));
  const [cluster] = fitting;
  if (cluster === undefined) return missing(spec, host, clusters);
  if (fitting.length > 1) {
    const names = fitting.map(nameOf).join(', ');
    return { found: 'unclear', why: `this host has several clusters (${names}): say which with \`cluster:\`` };
  }
  const configuration = await host.postgres.configuration(cluster);
  const hba = await observeHba(cluster, host);
  return {
    found: 'one',
    cluster,
    configuration,
    hba,
    server: await observeServer(spec, host, cluster, { configuration, hba }),
  };
}

function fits(cluster: Cluster, wanted: string | undefined): boolean {
  return wanted === undefined || wanted === nameOf(cluster) || wanted === cluster.name;
}

function nameOf(cluster: Cluster): string {
  return `${cluster.version}/${cluster.name}`;
}

async function missing(spec: Spec, host: HostReader, others: readonly Cluster[]): Promise<State> {
  const versions = await host.postgres.installedVersions();
  const [name = 'main', asked] = (spec.cluster ?? 'main').split('/').toReversed();
  const version = asked ?? versions.at(-1);
  if (version === undefined || !versions.includes(version)) {
    const which = asked === undefined ? 'PostgreSQL' : `PostgreSQL ${asked}`;
    return { found: 'none', why: `${which} is not installed: add the package postgresql to packages` };
  }
  if (others.length > 0 && spec.cluster === undefined) return { found: 'unclear', why: 'no cluster fits' };
  return { found: 'none', why: `there is no cluster ${version}/${name}`, creatable: { version, name } };
}

async function observeHba({ hbaFile: path }: Cluster, host: HostReader): Promise<HbaFile> {
  const stat = await host.files.statTarget(path);
  const owner = await host.accounts.user('postgres');
  const previous = `${path}${PREVIOUS_SUFFIX}`;
  return {
    path,
    text: await host.files.readText(path),
    guarded: stat !== undefined && stat.uid === owner?.uid && (stat.mode & OTHERS_MAY) === 0,
    changed_ms: stat?.ctime_ms ?? 0,
    previous: await host.files.readText(previous),
  };
}

interface Files {
  readonly configuration: Configuration;
  readonly hba: HbaFile;
}

async function observeServer(spec: Spec, host: HostReader, cluster: Cluster, files: Files): Promise<ServerState> {
  const declared = withVersions(spec.roles);
  const roles = Object.keys(declared);
  const leaving = roles.filter((role) => spec.roles[role]?.ensure === 'absent');
  const databases = Object.keys(spec.databases);
  const values = [
    Object.keys(spec.settings),
    roles,
    leaving,
    databases,
    files.hba.text !== undefined,
    versionedRoles(spec.roles),
  ];
  const connectedAfter_ms = Math.max(files.hba.changed_ms, files.configuration.changed_ms);
  const rows = await host.postgres.query(cluster, 'postgres', CLUSTER_SQL, values, { connectedAfter_ms });
  if (rows === undefined) {
    const access = await host.postgres.access(cluster);
    // It came up in between: the next look will see it.
    return access.state === 'ready'
      ? { state: 'starting', reason: 'the server has just started' }
      : { ...access, state: access.state };
  }
  const facts = v.parse(clusterFacts, rows[0]?.['facts']);
  const contents = await observeContents(spec, host, cluster, facts);
  return {
    ...facts,
    state: 'ready',
    roles: facts.roles.map((role) => withoutVerifier(role, declared[role.name]?.password, host)),
    contents,
    locales: await observeLocales(spec, host, facts),
  };
}

async function observeContents(
  spec: Spec,
  host: HostReader,
  cluster: Cluster,
  facts: ClusterFacts,
): Promise<ReadonlyMap<string, ContentFacts>> {
  const contents = new Map<string, ContentFacts>();
  for (const { name } of facts.databases) {
    const database = spec.databases[name];
    if (database === undefined || database.ensure === 'absent' || !hasContent(database)) continue;
    const rows = await host.postgres.query(cluster, name, CONTENT_SQL, contentParameters(database));
    if (rows !== undefined) contents.set(name, v.parse(contentFacts, rows[0]?.['facts']));
  }
  return contents;
}

function withoutVerifier(
  fact: ClusterFacts['roles'][number],
  wanted: MaybeSecret | null | undefined,
  host: HostReader,
): RoleFact {
  return { ...fact, password: passwordState(fact.password, wanted === null ? null : wanted && reveal(wanted), host) };
}

function passwordState(
  stored: string | null,
  wanted: string | null | undefined,
  host: HostReader,
): RoleFact['password'] {
  if (stored === null) return 'none';
  if (wanted === undefined || wanted === null) return 'unknown';
  if (host.postgres.passwordMatches(stored, wanted)) return 'matches';
  return stored.startsWith('md5') && !wanted.startsWith('md5') ? 'weak' : 'differs';
}

/** A process, but only while a database with a locale waits to be made. */
async function observeLocales(spec: Spec, host: HostReader, facts: ClusterFacts): Promise<readonly string[]> {
  const there = new Set(facts.databases.map(({ name }) => name));
  const waiting = Object.entries(spec.databases).some(
    ([name, { ensure, locale, lc_collate, lc_ctype }]) =>
      ensure === 'present' && !there.has(name) && (locale ?? lc_collate ?? lc_ctype) !== undefined,
  );
  if (!waiting) return [];
  const { stdout } = await host.probe({ argv: ['locale', '-a'] });
  return stdout.split('\n').filter((line) => line !== '');
}

/** Where `postgresql.conf` of a cluster is. */
export function mainConfig(cluster: Cluster): string {
  return join(cluster.configDirectory, 'postgresql.conf');
}

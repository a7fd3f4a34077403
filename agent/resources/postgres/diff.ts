import type { Cluster } from '../../host/postgres/port.ts';
import { diffContent } from './diff-content.ts';
import { diffDatabases, diffLeavingDatabases } from './diff-databases.ts';
import { diffLeavingRoles, diffRoles } from './diff-roles.ts';
import { diffSettings } from './diff-settings.ts';
import { renderHba, sameRules, wantedRules } from './hba.ts';
import { parseHba } from './hba-parse.ts';
import { diffOldVersions, withVersions } from './role-versions.ts';
import { hasContent, selectsAll } from './selection.ts';
import { configValue } from './setting-value.ts';
import type { Change, HbaFile, ServerFacts, Spec, State } from './state.ts';

/** Pure and total. Files first, then what only a running server holds; what is refused stands last. */
export function diff(spec: Spec, state: State): readonly Change[] {
  if (state.found === 'unclear') {
    return [{ type: 'refused', summary: 'find the cluster', message: state.why, stalled: true }];
  }
  if (state.found === 'none') return fromNothing(spec, state);
  const { cluster, hba, server } = state;
  const files = [...diffSettings(spec, state), ...diffHba(spec, cluster, hba, server.state === 'ready')];
  if (server.state === 'ready') {
    const changes = [...files, ...brokenConfig(server), ...stale(spec, cluster, hba, files, server)];
    const inside = diffInside(spec, cluster, server);
    const again: readonly Change[] = makesMore(spec, inside, server) ? [{ type: 'continue', spec }] : [];
    return refusedLast([...changes, ...inside, ...again]);
  }
  if (server.state === 'refused') {
    const reload: Change = { type: 'reload', cluster, why: `the server keeps the agent out: ${server.reason}` };
    return [...files, reload, { type: 'continue', spec }];
  }
  const start: Change = { type: 'start', cluster, hba, starting: server.state === 'starting' };
  return [...files, start, { type: 'continue', spec }];
}

/** Everything is planned; only a server that is there can be told. */
function fromNothing(spec: Spec, state: Extract<State, { readonly found: 'none' }>): readonly Change[] {
  const cluster = placeholder(state.creatable?.version ?? '*', state.creatable?.name ?? 'main');
  const first: readonly Change[] =
    state.creatable === undefined
      ? [{ type: 'refused', summary: 'wait for PostgreSQL to be installed', message: state.why, stalled: false }]
      : [
          { type: 'createCluster', ...state.creatable },
          { type: 'continue', spec },
        ];
  if (state.creatable !== undefined) return first;
  const lines = Object.entries(spec.settings).map(([name, value]) => `${name} = ${configValue(value)}\n`);
  const path = `${cluster.configDirectory}/postgresql.conf`;
  const settings: Change = {
    type: 'settings',
    cluster,
    names: Object.keys(spec.settings),
    edits: [{ path, before: undefined, after: lines.join('') }],
    configuration: { files: [], order: [], changed_ms: 0 },
    action: 'restart',
  };
  const hba: HbaFile = { path: cluster.hbaFile, text: undefined, guarded: true, changed_ms: 0, previous: undefined };
  return [
    ...first,
    ...(lines.length === 0 ? [] : [settings]),
    ...diffHba(spec, cluster, hba, true),
    ...diffInside(spec, cluster, BLANK_SERVER),
  ];
}

const BLANK_SERVER: ServerFacts = {
  state: 'ready',
  version: 0,
  recovery: false,
  loaded_ms: 0,
  now_ms: 0,
  hbaErrors: [],
  configErrors: [],
  settings: [],
  roles: [],
  databases: [],
  contents: new Map(),
  locales: [],
};

function placeholder(version: string, name: string): Cluster {
  const configDirectory = `/etc/postgresql/${version}/${name}`;
  return {
    version,
    name,
    configDirectory,
    dataDirectory: `/var/lib/postgresql/${version}/${name}`,
    hbaFile: `${configDirectory}/pg_hba.conf`,
    binaries: `/usr/lib/postgresql/${version}/bin`,
    port: 5432,
    socketDirectory: '/var/run/postgresql',
    unit: `postgresql@${version}-${name}.service`,
  };
}

function diffHba(spec: Spec, cluster: Cluster, file: HbaFile, running: boolean): readonly Change[] {
  if (spec.hba === undefined) return [];
  const wanted = wantedRules(spec.hba);
  const is = file.text === undefined ? undefined : parseHba(file.text);
  const same = is !== undefined && sameRules(is, wanted);
  if (same && file.guarded && file.previous === undefined) return [];
  // A file of the same meaning keeps its comments.
  const after = same && file.text !== undefined ? file.text : renderHba(wanted);
  const { path, text: before, previous } = file;
  return [{ type: 'hba', cluster, path, before, previous, after, running }];
}

/** The file is right, and the server has not read it since it changed. */
function stale(
  spec: Spec,
  cluster: Cluster,
  hba: HbaFile,
  planned: readonly Change[],
  server: ServerFacts,
): readonly Change[] {
  if (spec.hba === undefined || planned.some(({ type }) => type === 'hba')) return [];
  if (hba.changed_ms <= server.loaded_ms) return [];
  return [{ type: 'reload', cluster, why: `${hba.path} changed after the server read it` }];
}

/** Lines that nobody declared and that make every reload fail: said, and left to who wrote them. */
function brokenConfig(server: ServerFacts): readonly Change[] {
  const [first] = server.configErrors;
  if (first === undefined) return [];
  const where = `${first.path ?? 'postgresql.conf'}:${first.line ?? '?'}`;
  const message = `${where}: ${first.name ?? ''}: ${first.error}. The server takes no change of its settings, and would not start again, until this line is mended`;
  return [{ type: 'refused', summary: `mend ${where} by hand`, message, stalled: false }];
}

function diffInside(spec: Spec, cluster: Cluster, server: ServerFacts): readonly Change[] {
  const { databases, roles, version } = server;
  const contents = Object.entries(spec.databases)
    .filter(([, database]) => database.ensure === 'present')
    .flatMap(([name, database]) => {
      const fact = databases.find((one) => one.name === name);
      return diffContent(cluster, { name, database: fact, content: server.contents.get(name) }, database, version);
    });
  const changes = [
    ...diffRoles(cluster, withVersions(spec.roles), roles),
    ...diffOldVersions(cluster, spec.roles, roles, server.now_ms),
    ...diffDatabases(cluster, spec.databases, databases, server.locales),
    ...contents,
    ...diffLeavingDatabases(cluster, spec.databases, databases),
    ...diffLeavingRoles(cluster, spec.roles, roles),
  ];
  if (!server.recovery || changes.length === 0) return changes;
  const message = `${cluster.version}/${cluster.name} is a standby (in recovery) and takes no change: roles and databases come from its primary`;
  return [{ type: 'refused', summary: `make ${changes.length} changes on the primary`, message, stalled: false }];
}

/** A new database, and objects that a declaration for all objects of a schema meets, are seen only when they are there. */
function makesMore(spec: Spec, changes: readonly Change[], { databases }: ServerFacts): boolean {
  const there = new Set(databases.map(({ name }) => name));
  return Object.entries(spec.databases).some(([name, database]) => {
    if (database.ensure === 'absent') return false;
    if (!there.has(name)) return hasContent(database) || database.grants.length > 0;
    return selectsAll(database) && changes.some((change) => change.type === 'sql' && change.database === name);
  });
}

function refusedLast(changes: readonly Change[]): readonly Change[] {
  return changes.toSorted((a, b) => Number(a.type === 'refused') - Number(b.type === 'refused'));
}

import type { RoleSpec } from '../../../desired-state/schema/postgres-role.ts';
import type { Cluster } from '../../host/postgres/port.ts';
import type { RoleFact } from './facts.ts';
import { roleSettings } from './session-settings.ts';
import { identifier, literal } from './sql.ts';
import type { Change } from './state.ts';

/** Roles, their attributes, passwords, memberships and settings. Pure. */

const FLAGS = ['login', 'superuser', 'createdb', 'createrole', 'replication', 'bypassrls', 'inherit'] as const;
type Flag = (typeof FLAGS)[number];

export function diffRoles(
  cluster: Cluster,
  specs: Readonly<Record<string, RoleSpec>>,
  facts: readonly RoleFact[],
): readonly Change[] {
  const present = Object.entries(specs).filter(([, spec]) => spec.ensure === 'present');
  const factOf = (name: string) => facts.find((fact) => fact.name === name);
  return [
    ...present.flatMap(([name, spec]) => attributes(cluster, name, spec, factOf(name))),
    ...present.flatMap(([name, spec]) => password(cluster, name, spec, factOf(name))),
    ...present.flatMap(([name, spec]) => memberships(cluster, name, spec, factOf(name))),
    ...present.flatMap(([name, spec]) => roleSettings(cluster, name, spec.settings, factOf(name)?.settings ?? [])),
  ];
}

/** After the databases, which may be what a leaving role owned. */
export function diffLeavingRoles(
  cluster: Cluster,
  specs: Readonly<Record<string, RoleSpec>>,
  facts: readonly RoleFact[],
): readonly Change[] {
  return Object.entries(specs)
    .filter(([, spec]) => spec.ensure === 'absent')
    .flatMap(([name, spec]) => {
      const fact = facts.find((one) => one.name === name);
      return fact === undefined ? [] : leave(cluster, name, spec, fact);
    });
}

function attributes(cluster: Cluster, name: string, spec: RoleSpec, fact: RoleFact | undefined): readonly Change[] {
  const words = [
    ...FLAGS.flatMap((flag) => flagWord(flag, wantedFlag(name, spec, flag), fact?.[flag])),
    ...limitWord(spec.connection_limit ?? -1, fact?.connection_limit),
    ...validWord(spec.valid_until, fact),
  ];
  if (fact !== undefined && words.length === 0) return [];
  const verb = fact === undefined ? 'create' : 'alter';
  const change: Change = {
    type: 'sql',
    cluster,
    database: 'postgres',
    statements: [{ sql: `${verb.toUpperCase()} ROLE ${identifier(name)} ${words.join(' ')}`.trim() }],
    summary: `${verb} role ${name}${words.length === 0 ? '' : ` ${words.join(' ')}`}`,
    hazard: 'none',
  };
  return [change];
}

function wantedFlag(name: string, spec: RoleSpec, flag: Flag): boolean {
  // The role that the server was made with has every attribute; what is not declared stays.
  return spec[flag] ?? (name === 'postgres' || flag === 'inherit');
}

function flagWord(flag: Flag, wanted: boolean, is: boolean | undefined): readonly string[] {
  // What a new role has without a word.
  const before = is ?? flag === 'inherit';
  return wanted === before ? [] : [`${wanted ? '' : 'NO'}${flag.toUpperCase()}`];
}

function limitWord(wanted: number, is: number | undefined): readonly string[] {
  return wanted === (is ?? -1) ? [] : [`CONNECTION LIMIT ${wanted}`];
}

function validWord(wanted: string | undefined, fact: RoleFact | undefined): readonly string[] {
  const wanted_ms = wanted === undefined || wanted === 'infinity' ? null : Date.parse(wanted);
  if (wanted_ms === (fact?.valid_until ?? null)) return [];
  return [`VALID UNTIL ${literal(wanted_ms === null ? 'infinity' : new Date(wanted_ms).toISOString())}`];
}

function password(cluster: Cluster, role: string, spec: RoleSpec, fact: RoleFact | undefined): readonly Change[] {
  const state = fact?.password ?? 'none';
  if (spec.password === undefined || state === 'matches') return [];
  if (spec.password === null) {
    return state === 'none' ? [] : [{ type: 'password', cluster, role, password: null, why: 'clear the password' }];
  }
  const why = {
    none: 'set the password (none is set)',
    weak: 'set the password (it is stored as md5)',
    differs: 'set the password (another is set)',
    unknown: 'set the password',
  }[state];
  return [{ type: 'password', cluster, role, password: spec.password, why }];
}

function memberships(cluster: Cluster, name: string, spec: RoleSpec, fact: RoleFact | undefined): readonly Change[] {
  if (spec.member_of === undefined) return [];
  const is = new Set(fact?.member_of);
  const wanted = new Set(spec.member_of);
  const change = (sql: string, summary: string): Change => ({
    type: 'sql',
    cluster,
    database: 'postgres',
    statements: [{ sql }],
    summary,
    hazard: 'none',
  });
  return [
    ...[...wanted.difference(is)].map((role) =>
      change(`GRANT ${identifier(role)} TO ${identifier(name)}`, `put role ${name} into ${role}`),
    ),
    ...[...is.difference(wanted)].map((role) =>
      change(`REVOKE ${identifier(role)} FROM ${identifier(name)}`, `take role ${name} out of ${role}`),
    ),
  ];
}

/** What it owns goes to another role or the role stays: dropping what somebody made is never the guess. */
export function leave(
  cluster: Cluster,
  name: string,
  spec: Pick<RoleSpec, 'reassign_to'>,
  fact: RoleFact,
): readonly Change[] {
  const owning = fact.uses.filter(({ owns }) => owns).map(({ database }) => database || 'the server itself');
  const summary = `drop role ${name}`;
  if (owning.length > 0 && spec.reassign_to === undefined) {
    const message = `role ${name} owns objects in ${owning.join(', ')}: name the role that gets them with reassign_to`;
    return [{ type: 'refused', summary, message, stalled: true }];
  }
  const databases = new Set(['postgres', ...fact.uses.map(({ database }) => database || 'postgres')]);
  const reassign =
    spec.reassign_to === undefined ? [] : [`REASSIGN OWNED BY ${identifier(name)} TO ${identifier(spec.reassign_to)}`];
  const statements = [...reassign, `DROP OWNED BY ${identifier(name)}`].map((sql) => ({ sql }));
  const change = (database: string, sqls: readonly { sql: string }[], what: string): Change => ({
    type: 'sql',
    cluster,
    database,
    statements: sqls,
    summary: what,
    hazard: 'destructive',
  });
  const to = spec.reassign_to === undefined ? '' : `, give what it owns to ${spec.reassign_to}`;
  return [
    ...(fact.uses.length === 0
      ? []
      : [...databases].map((database) =>
          change(database, statements, `revoke what role ${name} may do in ${database}${to}`),
        )),
    change('postgres', [{ sql: `DROP ROLE ${identifier(name)}` }], summary),
  ];
}

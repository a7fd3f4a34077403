import { type RoleSpec, versionedName } from '../../../desired-state/schema/postgres-role.ts';
import type { Cluster } from '../../host/postgres/port.ts';
import { leave } from './diff-roles.ts';
import type { RoleFact } from './facts.ts';
import { identifier, literal } from './sql.ts';
import type { Change } from './state.ts';

/**
 * A role with a version logs in through another role, which has the password of that version and acts as it. Both versions
 * are taken while the hosts of the application go from one to the other. Pure.
 */

type Specs = Readonly<Record<string, RoleSpec>>;

/** The declared roles, and the login role of each that has a version. */
export function withVersions(specs: Specs): Specs {
  const logins = Object.entries(specs).flatMap(([name, spec]) => {
    const { version, ensure, password, settings, connection_limit, valid_until, grace } = spec;
    if (version === undefined || ensure === 'absent') return [];
    const login: RoleSpec = {
      ensure,
      login: true,
      password,
      connection_limit,
      valid_until,
      grace,
      member_of: [name],
      // Those of a session are its login role's, and not those of the role that it acts as.
      settings: { ...settings, role: name },
    };
    return [[versionedName(name, version), login] as const];
  });
  return { ...specs, ...Object.fromEntries(logins) };
}

/** The roles whose versions have to be found in the server. */
export function versionedRoles(specs: Specs): readonly string[] {
  return Object.keys(specs).filter((name) => specs[name]?.version !== undefined && specs[name].ensure === 'present');
}

/** The password of a version that was replaced ends by itself, by the server's own clock; then its role goes. */
export function diffOldVersions(
  cluster: Cluster,
  specs: Specs,
  facts: readonly RoleFact[],
  now_ms: number,
): readonly Change[] {
  const declared = withVersions(specs);
  return versionedRoles(specs).flatMap((name) =>
    facts
      .filter((fact) => declared[fact.name] === undefined && isVersion(fact, name))
      .flatMap((fact) => retire(cluster, name, fact, { now_ms, grace_ms: specs[name]?.grace ?? 0 })),
  );
}

/** Only what has all marks of a role that was made here: others may have names that begin alike. */
function isVersion({ name, member_of, settings }: RoleFact, of: string): boolean {
  return (
    name.startsWith(`${of}_`) &&
    /^[a-z0-9]{1,16}$/.test(name.slice(of.length + 1)) &&
    member_of.includes(of) &&
    settings.includes(`role=${of}`)
  );
}

function retire(
  cluster: Cluster,
  of: string,
  fact: RoleFact,
  { now_ms, grace_ms }: { readonly now_ms: number; readonly grace_ms: number },
): readonly Change[] {
  const { name, valid_until, sessions } = fact;
  const change = (sql: string, summary: string): Change => ({
    type: 'sql',
    cluster,
    database: 'postgres',
    statements: [{ sql }],
    summary,
    hazard: 'none',
  });
  const end_ms = now_ms + grace_ms;
  if (valid_until === null || valid_until > end_ms) {
    const end = new Date(end_ms).toISOString();
    return [
      change(
        `ALTER ROLE ${identifier(name)} VALID UNTIL ${literal(end)}`,
        `end the password of role ${name} at ${end}`,
      ),
    ];
  }
  // Who is connected stays so until it connects again, which it cannot do any more.
  if (valid_until > now_ms || sessions > 0) return [];
  if (fact.uses.length > 0) return leave(cluster, name, { reassign_to: of }, fact);
  return [change(`DROP ROLE ${identifier(name)}`, `drop role ${name}, whose password has ended`)];
}

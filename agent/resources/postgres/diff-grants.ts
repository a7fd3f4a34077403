import type { GrantSpec } from '../../../desired-state/schema/postgres-grant.ts';
import { type AclItem, expandPrivileges, heldBy } from './acl.ts';
import type { SqlChange } from './diff-content.ts';
import { type Place, type Target, targetsOf } from './selection.ts';
import { grantee, isPublic } from './sql.ts';
import type { Change } from './state.ts';

/** Privileges on what is there. Pure. */

export function diffGrants(
  sql: SqlChange,
  grants: readonly GrantSpec[],
  place: Place,
  version: number,
): readonly Change[] {
  return grants.flatMap((grant) =>
    targetsOf(grant.on, place).flatMap((target) => {
      const wanted = expandPrivileges(grant.privileges, target.type, version);
      return grant.to.flatMap((to) => changesFor(sql, grant, to, wanted, target));
    }),
  );
}

function changesFor(
  sql: SqlChange,
  grant: GrantSpec,
  to: string,
  wanted: readonly string[],
  target: Target,
): readonly Change[] {
  const steps = privilegeSteps({ grant, acl: target.acl, to, wanted, owner: target.owner });
  return steps.map(({ verb, option, privileges }) => {
    const list = privileges.join(', ');
    const shown = `${option} ${list}`.trim();
    return verb === 'grant'
      ? sql(
          `GRANT ${list} ON ${target.grantee} TO ${grantee(to)}${option === '' ? '' : ` ${option}`}`,
          `grant ${list} on ${target.label} to ${to}${option === '' ? '' : ' with grant option'}`,
        )
      : sql(
          `REVOKE ${shown} ON ${target.grantee} FROM ${grantee(to)}`,
          `revoke ${shown.toLowerCase() === list.toLowerCase() ? list : `the grant option for ${list}`} on ${target.label} from ${to}`,
        );
  });
}

export interface PrivilegeStep {
  readonly verb: 'grant' | 'revoke';
  readonly option: '' | 'WITH GRANT OPTION' | 'GRANT OPTION FOR';
  readonly privileges: readonly string[];
}

export interface PrivilegeQuestion {
  readonly grant: { readonly ensure: string; readonly exact: boolean; readonly grant_option: boolean };
  readonly acl: readonly AclItem[];
  readonly to: string;
  readonly wanted: readonly string[];
  readonly owner: string | undefined;
}

/** What turns the privileges of one grantee into the wanted ones; `ALL` has been expanded. */
export function privilegeSteps({ grant, acl, to, wanted, owner }: PrivilegeQuestion): readonly PrivilegeStep[] {
  const held = heldBy(acl, isPublic(to) ? 'public' : to);
  const steps: PrivilegeStep[] = [];
  const add = (verb: PrivilegeStep['verb'], option: PrivilegeStep['option'], privileges: readonly string[]) => {
    if (privileges.length > 0) steps.push({ verb, option, privileges });
  };
  if (grant.ensure === 'absent') {
    add(
      'revoke',
      '',
      wanted.filter((privilege) => held.has(privilege)),
    );
    return steps;
  }
  // The owner may pass everything on without being told so.
  const isOwner = owner === to;
  const lacks = (privilege: string) =>
    !held.has(privilege) || (grant.grant_option && !isOwner && held.get(privilege) !== true);
  const tooMuch = (privilege: string) => !grant.grant_option && !isOwner && held.get(privilege) === true;
  add('grant', grant.grant_option && !isOwner ? 'WITH GRANT OPTION' : '', wanted.filter(lacks));
  add('revoke', 'GRANT OPTION FOR', wanted.filter(tooMuch));
  if (grant.exact)
    add(
      'revoke',
      '',
      [...held.keys()].filter((privilege) => !wanted.includes(privilege)),
    );
  return steps;
}

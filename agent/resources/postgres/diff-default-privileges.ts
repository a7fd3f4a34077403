import type { DefaultPrivilegeSpec } from '../../../desired-state/schema/postgres-grant.ts';
import { type AclItem, expandPrivileges, type ObjectType, parseAcl } from './acl.ts';
import type { SqlChange } from './diff-content.ts';
import { privilegeSteps } from './diff-grants.ts';
import type { ContentFacts } from './facts.ts';
import { grantee, identifier } from './sql.ts';
import type { Change } from './state.ts';

/** Privileges on what a role will make. Pure. */

interface Sort {
  readonly letter: string;
  readonly type: ObjectType;
  readonly word: string;
  /** What every role gets where nothing else is said. */
  readonly everybody: string;
}

const SORTS: Readonly<Record<DefaultPrivilegeSpec['on'], Sort>> = {
  tables: { letter: 'r', type: 'table', word: 'TABLES', everybody: '' },
  sequences: { letter: 'S', type: 'sequence', word: 'SEQUENCES', everybody: '' },
  functions: { letter: 'f', type: 'function', word: 'FUNCTIONS', everybody: 'X' },
  types: { letter: 'T', type: 'type', word: 'TYPES', everybody: 'U' },
  schemas: { letter: 'n', type: 'schema', word: 'SCHEMAS', everybody: '' },
};

export function diffDefaultPrivileges(
  sql: SqlChange,
  specs: readonly DefaultPrivilegeSpec[],
  content: ContentFacts | undefined,
  version: number,
): readonly Change[] {
  return specs.flatMap((spec) => {
    const sort = SORTS[spec.on];
    const wanted = expandPrivileges(spec.privileges, sort.type, version);
    const acl = aclOf(spec, sort, content);
    const scope = `FOR ROLE ${identifier(spec.owner)}${spec.schema === undefined ? '' : ` IN SCHEMA ${identifier(spec.schema)}`}`;
    const where = `on future ${spec.on} of ${spec.owner}${spec.schema === undefined ? '' : ` in schema ${spec.schema}`}`;
    return spec.to.flatMap((to) =>
      privilegeSteps({ grant: spec, acl, to, wanted, owner: spec.owner }).map(({ verb, option, privileges }) => {
        const list = privileges.join(', ');
        const clause =
          verb === 'grant'
            ? `GRANT ${list} ON ${sort.word} TO ${grantee(to)} ${option}`
            : `REVOKE ${option} ${list} ON ${sort.word} FROM ${grantee(to)}`;
        const summary = verb === 'grant' ? `grant ${list} ${where} to ${to}` : `revoke ${list} ${where} from ${to}`;
        return sql(`ALTER DEFAULT PRIVILEGES ${scope} ${clause}`.trim(), summary);
      }),
    );
  });
}

/** Without an entry of its own, a role's objects are everywhere as PostgreSQL ships; an entry for a schema only adds. */
function aclOf(spec: DefaultPrivilegeSpec, sort: Sort, content: ContentFacts | undefined): readonly AclItem[] {
  const entry = content?.defaults.find(
    ({ owner, schema, type }) => owner === spec.owner && schema === (spec.schema ?? '') && type === sort.letter,
  );
  if (entry !== undefined) return parseAcl(entry.acl);
  return spec.schema === undefined && sort.everybody !== '' ? parseAcl([`=${sort.everybody}/x`]) : [];
}

import * as v from 'valibot';
import { connectionLimit, databaseName, ensure, namesOf, settingValue } from './postgres-names.ts';
import { reveal } from './secret.ts';
import { duration, secretText } from './values.ts';

const flag = v.boolean('expected true or false');

const validUntil = v.pipe(
  v.string('expected a time such as "2030-01-01T00:00:00Z", or "infinity"'),
  v.check(
    (text) => text === 'infinity' || (/(?:Z|[+-]\d\d:?\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))),
    'expected a time with its zone such as "2030-01-01T00:00:00Z", or "infinity"',
  ),
);

const roleVersion = v.pipe(
  v.string('expected a version such as "{{version.todo_db_password}}"'),
  v.regex(
    /^[a-z0-9]{1,16}$/,
    'expected a version such as "{{version.todo_db_password}}": at most 16 lower-case letters and digits',
  ),
);

/** The name of the login role for one version of the password of a role. */
export function versionedName(name: string, version: string): string {
  return `${name}_${version}`;
}

/** A role. Of an attribute that is not declared, PostgreSQL's own default holds: `superuser` by hand is drift. */
export const role = v.pipe(
  v.strictObject({
    ensure: v.pipe(v.optional(ensure, 'present'), v.description('`absent` removes the role')),
    login: v.pipe(v.optional(flag), v.description('May log in. Default: false')),
    password: v.pipe(
      v.optional(
        v.nullable(
          v.pipe(
            secretText,
            v.check((text) => reveal(text) !== '', 'expected a password, or null for none'),
            v.check((text) => !reveal(text).includes('\0'), 'expected a password without NUL characters'),
          ),
        ),
      ),
      v.description(
        'In clear, or as a SCRAM or md5 verifier; `null` clears it. Without this key the password is left alone',
      ),
    ),
    superuser: v.pipe(v.optional(flag), v.description('Passes every check of rights. Default: false')),
    createdb: v.pipe(v.optional(flag), v.description('May create databases. Default: false')),
    createrole: v.pipe(v.optional(flag), v.description('May create roles. Default: false')),
    replication: v.pipe(v.optional(flag), v.description('May replicate. Default: false')),
    bypassrls: v.pipe(v.optional(flag), v.description('Passes row security. Default: false')),
    inherit: v.pipe(v.optional(flag), v.description('Has the rights of the roles it is in. Default: true')),
    connection_limit: v.pipe(
      v.optional(connectionLimit),
      v.description('-1 is no limit, 0 lets nobody in. Default: -1'),
    ),
    valid_until: v.pipe(v.optional(validUntil), v.description('When the password ends. Default: never')),
    member_of: v.pipe(
      v.optional(namesOf),
      v.description('The roles it is in, such as pg_monitor; others are revoked. Left alone where this is not given'),
    ),
    settings: v.pipe(
      v.optional(v.record(v.string(), settingValue)),
      v.description('Settings of its sessions; others are reset. Left alone where this is not given'),
    ),
    reassign_to: v.pipe(
      v.optional(databaseName),
      v.description('With `ensure: absent`: the role that gets what the removed one owns'),
    ),
    version: v.pipe(
      v.optional(roleVersion),
      v.description(
        'Makes the role NAME_VERSION beside it, which logs in with the password and acts as NAME. When the version changes, the one before goes on for `grace`: a password is changed without a failed login',
      ),
    ),
    grace: v.pipe(
      v.optional(duration, '1h'),
      v.description('How long the password of the version before is still taken. Default: 1h'),
    ),
  }),
  v.check(
    ({ version, password }) => version === undefined || (password !== undefined && password !== null),
    '`version` needs a `password`',
  ),
);

export type RoleSpec = v.InferOutput<typeof role>;

import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { database } from './postgres-database.ts';
import { hba } from './postgres-hba.ts';
import { databaseName, MAX_NAME_BYTES, roleName, settingValue } from './postgres-names.ts';
import { role, versionedName } from './postgres-role.ts';

/** Places of files that postgresql-common decides: the cluster would not be found again. */
const NOT_OURS = new Set(['data_directory', 'config_file', 'hba_file', 'ident_file', 'external_pid_file']);
/** Without these rights nobody could undo it. */
const SUPERUSER_NEEDS = ['login', 'superuser'] as const;

const settingName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)?$/, 'expected the name of a setting'),
  v.check((name) => !NOT_OURS.has(name.toLowerCase()), 'this setting belongs to postgresql-common'),
  v.transform((name) => name.toLowerCase()),
);

const roles = v.pipe(
  v.record(roleName, role, 'expected a map of roles'),
  v.check((map) => {
    const own = map['postgres'];
    return own === undefined || (own.ensure === 'present' && SUPERUSER_NEEDS.every((key) => own[key] !== false));
  }, 'the role postgres is what the agent works with: it must log in and be superuser'),
  v.check(
    (map) =>
      Object.entries(map).every(([name, { version }]) => {
        const login = version === undefined ? undefined : versionedName(name, version);
        return login === undefined || (map[login] === undefined && Buffer.byteLength(login) <= MAX_NAME_BYTES);
      }),
    `the login role NAME_VERSION of a role with a version may not be declared itself, nor be longer than ${MAX_NAME_BYTES} bytes`,
  ),
);

const databases = v.pipe(
  v.record(databaseName, database, 'expected a map of databases'),
  v.check(
    (map) => ['postgres', 'template0', 'template1'].every((name) => map[name]?.ensure !== 'absent'),
    'the databases postgres, template0 and template1 belong to the server',
  ),
);

export const postgres = defineKind({
  form: 'whole',
  description: 'A PostgreSQL server: its settings, pg_hba.conf, roles, and databases with what is in them.',
  entry: v.strictObject({
    cluster: v.pipe(
      v.optional(
        v.pipe(
          v.string('expected a cluster such as "15/main" or "main"'),
          v.regex(/^(?:\d+(?:\.\d+)?\/)?[\w.-]+$/, 'expected a cluster such as "15/main" or "main"'),
        ),
      ),
      v.description('Which cluster of the host, as `pg_lsclusters` names it. Default: the only one'),
    ),
    settings: v.pipe(
      v.optional(v.record(settingName, settingValue, 'expected a map of settings'), {}),
      v.description('Settings in postgresql.conf; what overrides them elsewhere is taken out'),
    ),
    hba: v.pipe(
      v.optional(hba),
      v.description('pg_hba.conf as a whole, first match wins. Left alone where this is not given'),
    ),
    roles: v.pipe(v.optional(roles, {}), v.description('By name. Roles that are not listed are left alone')),
    databases: v.pipe(
      v.optional(databases, {}),
      v.description('By name. Databases that are not listed are left alone'),
    ),
  }),
});

export type PostgresSpec = v.InferOutput<typeof postgres.entry>;

import { Secret } from '../../desired-state/schema/secret.ts';
import { bakedImage } from '../hosts/bake.ts';
import type { Host } from '../hosts/host.ts';
import type { ByHand } from './harness.ts';

/** The database host that the tests of the kind postgres start from, and hands to break it with. */

const INSTALL = 'DEBIAN_FRONTEND=noninteractive apt-get -y -qq install postgresql locales </dev/null >/dev/null';
const INSTALL_TIMEOUT_MS = 600_000;

/** A host with PostgreSQL as Debian installs it. */
export function installedImage(): Promise<string> {
  return bakedImage({
    name: 'postgres-installed',
    inputs: [INSTALL],
    prepare: async (host) => {
      await host.sh(INSTALL, { timeout_ms: INSTALL_TIMEOUT_MS });
      await host.sh('systemctl stop postgresql@15-main');
    },
  });
}

export const HBA = '/etc/postgresql/15/main/pg_hba.conf';
export const CONFIG = '/etc/postgresql/15/main/postgresql.conf';
export const SERVER_LOG = '/var/log/postgresql/postgresql-15-main.log';

export const PASSWORD = 'corr3ct-horse';

/** As STACK.md has it, with what the edge cases need besides. */
export const DATABASE_HOST = {
  settings: {
    listen_addresses: ['localhost', '127.0.0.2'],
    work_mem: '8MB',
    max_connections: 60,
    log_connections: false,
  },
  hba: [
    { type: 'local', method: 'peer' },
    { database: 'todo', user: 'todo', from: ['192.168.33.15', '10.1.0.0/16'], method: 'scram-sha-256' },
    { from: ['127.0.0.1', '::1'], method: 'scram-sha-256' },
    { from: '192.0.2.0/24', method: 'ldap', options: { ldapserver: 'ldap.example', ldapprefix: 'cn=a user ' } },
  ],
  roles: {
    todo: { login: true, password: new Secret(PASSWORD), settings: { statement_timeout: '30s' } },
    datadog: {
      login: true,
      password: new Secret('dd-s3cret'),
      member_of: 'pg_monitor',
      connection_limit: 5,
      valid_until: '2040-01-01T00:00:00Z',
    },
    'Odd-"Role.x': { connection_limit: 0 },
    nobody: { login: true, password: null },
    left: { ensure: 'absent', reassign_to: 'todo' },
  },
  databases: {
    todo: {
      owner: 'todo',
      encoding: 'UTF8',
      locale: 'en_US.UTF-8',
      settings: { work_mem: '16MB' },
      extensions: { pg_trgm: 'present' },
      schemas: { app: { owner: 'todo' } },
      tables: {
        'app.note': { owner: 'todo', columns: { id: 'bigint primary key', body: "text not null default ''" } },
      },
      ownership: [{ owner: 'todo', on: { schema: 'app', table: '*' } }],
      grants: [
        { to: 'todo', privileges: 'ALL' },
        { to: 'datadog', privileges: ['connect'], grant_option: true },
        { to: 'public', privileges: ['connect', 'temporary'], ensure: 'absent' },
        { to: 'datadog', privileges: 'select', on: { table: 'pg_catalog.pg_stat_database' } },
        { to: 'datadog', privileges: 'select', on: { schema: 'app', table: '*' }, exact: true },
        { to: 'datadog', privileges: 'usage', on: { schema: 'app' } },
      ],
      default_privileges: [{ owner: 'todo', schema: 'app', on: 'tables', to: 'datadog', privileges: 'select' }],
    },
    'We.ird-"DB': { connection_limit: 3 },
    // No host has this locale before somebody asks for it.
    german: { locale: 'de_DE.UTF-8' },
  },
};

export function psql(host: Host, statement: string, database = 'postgres'): Promise<string> {
  return host.mustExec(['psql', '-v', 'ON_ERROR_STOP=1', '-qXAtd', database, '-c', statement], {
    user: 'postgres',
    cwd: '/',
  });
}

export function bySql(statement: string, database = 'postgres'): ByHand {
  return async (host: Host) => {
    for (const one of statement.split(';\n')) await psql(host, one, database);
  };
}

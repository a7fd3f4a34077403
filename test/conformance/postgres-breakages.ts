import assert from 'node:assert/strict';
import type { Hazard } from '../../agent/resource.ts';
import type { Host } from '../hosts/host.ts';
import type { Breakage } from './harness.ts';
import { bySql, CONFIG, HBA, PASSWORD, psql } from './postgres-host.ts';

/** What people do to a database server by hand, each with what a plan must say of it. */

const RESOURCE = 'postgres/postgres';
const found = (summary: RegExp, hazard: Hazard) => ({
  resource: RESOURCE,
  summary,
  hazard,
});

export const settingBreakages: readonly Breakage[] = [
  {
    name: 'a setting is edited in postgresql.conf',
    by: `sed -i "s/^listen_addresses.*/listen_addresses = '*'/" ${CONFIG}`,
    expect: found(/^set listen_addresses and reload/, 'reload'),
    alsoCheck: (host) => host.sh(`grep -qx "listen_addresses = 'localhost, 127.0.0.2'" ${CONFIG}`),
  },
  {
    name: 'a setting that needs a restart is edited and the server restarted',
    by: `sed -i 's/^max_connections.*/max_connections = 90/' ${CONFIG} && systemctl restart postgresql@15-main`,
    expect: found(/^set max_connections and restart/, 'restart'),
    alsoCheck: async (host) => assert.equal((await psql(host, 'show max_connections')).trim(), '60'),
  },
  {
    name: 'a file in conf.d overrides a setting',
    by: `echo 'work_mem = 99MB' > /etc/postgresql/15/main/conf.d/zz.conf && systemctl reload postgresql@15-main`,
    expect: found(/^set work_mem and reload/, 'reload'),
    alsoCheck: (host) => host.sh(`grep -qx '#work_mem = 99MB' /etc/postgresql/15/main/conf.d/zz.conf`),
  },
  {
    name: 'ALTER SYSTEM overrides a setting',
    by: bySql(`alter system set work_mem = '77MB';\nselect pg_reload_conf()`),
    expect: found(/^set work_mem and reload/, 'reload'),
  },
  {
    name: 'the server runs with a setting that the file does not have',
    by: `sed -i 's/^work_mem.*/work_mem = 1MB/' ${CONFIG} && systemctl reload postgresql@15-main &&
      timeout 10 bash -c 'until [ "$(su postgres -c "psql -Atc \\"show work_mem\\"")" = 1MB ]; do :; done' &&
      sed -i 's/^work_mem.*/work_mem = 8MB/' ${CONFIG}`,
    expect: found(/^reload the server: it runs with another work_mem/, 'reload'),
  },
  {
    name: 'a setting of new connections alone is changed',
    by: `sed -i 's/^log_connections.*/log_connections = on/' ${CONFIG} && systemctl reload postgresql@15-main`,
    expect: found(/^set log_connections and reload/, 'reload'),
    alsoCheck: async (host) => assert.equal((await psql(host, 'show log_connections')).trim(), 'off'),
  },
  {
    name: 'a value with which the server cannot start is written while it is down',
    by: `systemctl stop postgresql@15-main && sed -i 's/^max_connections.*/max_connections = banana/' ${CONFIG}`,
    expect: [found(/^set max_connections/, 'none'), found(/^start postgresql@15-main/, 'none')],
  },
];

export const hbaBreakages: readonly Breakage[] = [
  {
    name: 'a line is put into pg_hba.conf',
    by: `echo 'host all all 0.0.0.0/0 trust' >> ${HBA} && systemctl reload postgresql@15-main`,
    expect: found(/^write .*pg_hba.conf/, 'reload'),
    alsoCheck: async (host) => {
      const rules = await psql(host, "select count(*) from pg_hba_file_rules where auth_method = 'trust'");
      assert.equal(rules.trim(), '0');
    },
  },
  {
    name: 'pg_hba.conf keeps the agent out',
    by: `sed -i '1i local all all reject' ${HBA} && systemctl reload postgresql@15-main`,
    expect: found(/^write .*pg_hba.conf/, 'none'),
  },
  {
    name: 'pg_hba.conf is broken by hand',
    by: `echo 'local all all nonsense' >> ${HBA}`,
    expect: found(/^write .*pg_hba.conf/, 'reload'),
  },
  {
    name: 'pg_hba.conf is right and the server runs with another one',
    // The server reads it some time after it was told to: not before it has, the right one comes back.
    by: `cp -p ${HBA} /root/hba && echo 'host all all 0.0.0.0/0 trust' >> ${HBA} &&
      loaded() { su postgres -c "psql -Atc 'select pg_conf_load_time()'"; } && export -f loaded &&
      before="$(loaded)" && systemctl reload postgresql@15-main &&
      timeout 10 bash -c 'until [ "$(loaded)" != "$0" ]; do :; done' "$before" && cat /root/hba > ${HBA}`,
    expect: found(/^reload the server/, 'reload'),
  },
  {
    name: 'pg_hba.conf is readable by all',
    by: `chmod 0644 ${HBA}`,
    expect: found(/^take .*pg_hba.conf from others/, 'reload'),
    alsoCheck: async (host) => assert.match(await host.sh(`stat -c %a:%U ${HBA}`), /^640:postgres/),
  },
  {
    name: 'pg_hba.conf is removed',
    by: `rm ${HBA}`,
    expect: found(/^write .*pg_hba.conf/, 'reload'),
  },
];

export const roleBreakages: readonly Breakage[] = [
  {
    name: 'a password is changed',
    by: bySql(`alter role todo password 'other'`),
    expect: found(/^set the password \(another is set\) of role todo/, 'none'),
    alsoCheck: canLogIn,
  },
  {
    name: 'a password is stored as md5',
    by: (host) => psql(host, `set password_encryption = md5; alter role todo password '${PASSWORD}'`),
    expect: found(/^set the password \(it is stored as md5\) of role todo/, 'none'),
    alsoCheck: canLogIn,
  },
  {
    name: 'a password is cleared',
    by: bySql('alter role todo password null'),
    expect: found(/^set the password \(none is set\) of role todo/, 'none'),
    alsoCheck: canLogIn,
  },
  {
    name: 'a role without a password gets one',
    by: bySql(`alter role nobody password 'x'`),
    expect: found(/^clear the password of role nobody/, 'none'),
  },
  {
    name: 'a role becomes a superuser that makes databases',
    by: bySql('alter role todo superuser createdb'),
    expect: found(/^alter role todo NOSUPERUSER NOCREATEDB/, 'none'),
  },
  {
    name: 'limits of roles are changed',
    by: bySql(`alter role "Odd-""Role.x" connection limit -1;\nalter role datadog valid until '2020-01-01'`),
    expect: [
      found(/^alter role Odd-"Role.x CONNECTION LIMIT 0/, 'none'),
      found(/^alter role datadog VALID UNTIL/, 'none'),
    ],
  },
  {
    name: 'memberships are changed',
    by: bySql('revoke pg_monitor from datadog;\ngrant pg_read_all_data to datadog'),
    expect: [
      found(/^put role datadog into pg_monitor/, 'none'),
      found(/^take role datadog out of pg_read_all_data/, 'none'),
    ],
  },
  {
    name: 'settings of a role are changed',
    by: bySql(`alter role todo set statement_timeout = '1h';\nalter role todo set work_mem = '1GB'`),
    expect: [
      found(/^set statement_timeout = 30s for role todo/, 'none'),
      found(/^reset work_mem for role todo/, 'none'),
    ],
  },
  {
    name: 'a role is dropped',
    by: (host) =>
      psql(host, 'drop owned by datadog cascade', 'todo').then(() =>
        psql(host, 'drop owned by datadog; drop role datadog'),
      ),
    expect: [found(/^create role datadog/, 'none'), found(/^grant SELECT on table app.note to datadog/, 'none')],
  },
  {
    name: 'a role that shall not be is there and owns objects',
    by: (host) =>
      psql(host, 'create role "left"; create table public.lefts (a int); alter table lefts owner to "left"', 'todo'),
    expect: found(/^drop role left/, 'destructive'),
    alsoCheck: async (host) => {
      const owner = await psql(host, "select tableowner from pg_tables where tablename = 'lefts'", 'todo');
      assert.equal(owner.trim(), 'todo');
      await psql(host, 'drop table lefts', 'todo');
    },
  },
];

export const databaseBreakages: readonly Breakage[] = [
  {
    name: 'rights on a database are revoked and granted',
    by: bySql('revoke all on database todo from todo;\ngrant connect on database todo to public'),
    expect: [
      found(/^grant CREATE, CONNECT, TEMPORARY on database todo to todo/, 'none'),
      found(/^revoke CONNECT on database todo from public/, 'none'),
    ],
  },
  {
    name: 'a grant loses its grant option',
    by: bySql('revoke grant option for connect on database todo from datadog'),
    expect: found(/^grant CONNECT on database todo to datadog with grant option/, 'none'),
  },
  {
    name: 'rights on a view of the catalog are revoked',
    by: bySql('revoke select on pg_stat_database from datadog', 'todo'),
    expect: found(/^grant SELECT on .* pg_catalog.pg_stat_database to datadog/, 'none'),
  },
  {
    name: 'a role gets more rights than exactly its own, which it may pass on',
    by: bySql('grant select, insert on app.note to datadog with grant option', 'todo'),
    expect: [
      found(/^revoke the grant option for SELECT on table app.note from datadog/, 'none'),
      found(/^revoke INSERT on table app.note from datadog/, 'none'),
    ],
  },
  {
    name: 'default privileges are taken away',
    by: bySql('alter default privileges for role todo in schema app revoke select on tables from datadog', 'todo'),
    expect: found(/^grant SELECT on future tables of todo in schema app to datadog/, 'none'),
  },
  {
    name: 'a partitioned table of another owner appears',
    by: bySql('create table app.parts (a int) partition by range (a)', 'todo'),
    expect: [
      found(/^make todo the owner of table app.parts/, 'none'),
      found(/^grant SELECT on table app.parts to datadog/, 'none'),
    ],
  },
  {
    name: 'an extension is dropped',
    by: bySql('drop extension pg_trgm', 'todo'),
    expect: found(/^create extension pg_trgm/, 'none'),
  },
  {
    name: 'owners are changed',
    by: bySql('alter database todo owner to postgres;\nalter schema app owner to postgres', 'todo'),
    expect: [
      found(/^make todo the owner of database todo/, 'none'),
      found(/^make todo the owner of schema app/, 'none'),
    ],
  },
  {
    name: 'a column is dropped',
    by: bySql('alter table app.note drop column body', 'todo'),
    expect: found(/^add column body to table app.note/, 'none'),
  },
  {
    name: 'a database is made read-only and its connections limited',
    by: bySql(
      `alter database todo set default_transaction_read_only = on;\nalter database "We.ird-""DB" connection limit 0`,
    ),
    expect: [
      found(/^reset default_transaction_read_only for database todo/, 'none'),
      found(/^set the connection limit of database We.ird-"DB to 3 \(is 0\)/, 'none'),
    ],
  },
  {
    name: 'a database is dropped',
    by: bySql('drop database todo with (force)'),
    expect: found(/^create database todo \(owner todo, UTF8, en_US.UTF-8\)/, 'none'),
    alsoCheck: canLogIn,
  },
];

export const serverBreakages: readonly Breakage[] = [
  {
    name: 'the server is stopped',
    by: 'systemctl stop postgresql@15-main',
    expect: found(/^start postgresql@15-main.service/, 'none'),
  },
  {
    name: 'the server is killed',
    by: `kill -9 $(head -1 /var/lib/postgresql/15/main/postmaster.pid) &&
      timeout 20 bash -c 'while pgrep -x postgres >/dev/null; do sleep 0.1; done'`,
    expect: found(/^start postgresql@15-main.service/, 'none'),
  },
  {
    name: 'the server is down and a role was changed before',
    by: async (host) => {
      await psql(host, 'alter role todo createdb');
      await host.sh('systemctl stop postgresql@15-main');
    },
    expect: [found(/^start postgresql@15-main/, 'none'), found(/^then compare/, 'none')],
    alsoCheck: async (host) =>
      assert.equal((await psql(host, "select rolcreatedb from pg_roles where rolname = 'todo'")).trim(), 'f'),
  },
  {
    name: 'the cluster is dropped',
    by: 'pg_dropcluster --stop 15 main',
    expect: found(/^create cluster 15\/main/, 'none'),
    alsoCheck: canLogIn,
  },
];

export async function canLogIn(host: Host): Promise<void> {
  const login = ['psql', '-h', '127.0.0.1', '-U', 'todo', '-XAtd', 'todo', '-c', 'select current_user'];
  assert.equal((await host.mustExec(login, { env: { PGPASSWORD: PASSWORD } })).trim(), 'todo');
}

import { BY_HAND, type Case } from '../case.ts';

const CONF = '/etc/postgresql/15/main';
const HBA = `${CONF}/pg_hba.conf`;
const RELOAD = 'systemctl reload postgresql@15-main';
const is = (query: string, answer: string): string => `test "$(psql_do "${query}")" = '${answer}'`;

function postgres(name: string, by: string, says: RegExp, more: Partial<Case> = {}): Case {
  return { name, on: 'db', by, resource: 'postgres/postgres', says, touches: [name], ...more };
}

export const postgresCases: readonly Case[] = [
  postgres(
    'a password is changed',
    `psql_do "alter role todo password '${BY_HAND}'"`,
    /^set the password \(another is set\) of role todo$/,
    {
      hazard: 'none',
      touches: ['password of todo'],
    },
  ),
  postgres(
    'a password is stored as md5',
    `psql_do "set password_encryption = md5" "alter role todo password '${BY_HAND}'"`,
    /^set the password \(it is stored as md5\) of role todo$/,
    {
      touches: ['password of todo'],
      healed: is("select left(rolpassword, 14) from pg_authid where rolname = 'todo'", 'SCRAM-SHA-256$'),
    },
  ),
  postgres(
    'a role becomes a superuser',
    `psql_do 'alter role todo superuser createdb'`,
    /^alter role todo NOSUPERUSER NOCREATEDB$/,
    {
      healed: is("select rolsuper or rolcreatedb from pg_roles where rolname = 'todo'", 'f'),
    },
  ),
  postgres(
    'rights on the database are revoked',
    `psql_do 'revoke all on database todo from todo'`,
    /^grant CREATE, CONNECT, TEMPORARY on database todo to todo$/,
    {
      healed: is("select has_database_privilege('todo', 'todo', 'create')", 't'),
    },
  ),
  postgres(
    'the database gets another owner',
    `psql_do 'alter database todo owner to postgres'`,
    /^make todo the owner of database todo \(is postgres\)$/,
    {
      healed: is("select pg_get_userbyid(datdba) from pg_database where datname = 'todo'", 'todo'),
      touches: ['rights on the database are revoked'],
    },
  ),
  postgres(
    'a line is added to pg_hba.conf and the server reloaded',
    `sed -i '1i host all all 0.0.0.0/0 trust' ${HBA}; ${RELOAD}`,
    /^write .*pg_hba\.conf$/,
    {
      hazard: 'reload',
      healed: is("select count(*) from pg_hba_file_rules where auth_method = 'trust'", '0'),
      touches: ['hba'],
    },
  ),
  postgres('pg_hba.conf is broken', `echo 'local all all nonsense' >>${HBA}`, /^write .*pg_hba\.conf$/, {
    touches: ['hba'],
  }),
  postgres(
    'pg_hba.conf is right and the server runs another one',
    `cp -p ${HBA} /root/hba; echo 'host all all 0.0.0.0/0 trust' >>${HBA}; ${RELOAD}
    sleep 0.2; cat /root/hba >${HBA}; rm /root/hba`,
    /^reload the server/,
    { hazard: 'reload', touches: ['hba'] },
  ),
  postgres('pg_hba.conf is readable by all', `chmod 0644 ${HBA}`, /^take .*pg_hba\.conf from others/, {
    healed: `test "$(stat -c '%a %U' ${HBA})" = '640 postgres'`,
    touches: ['hba'],
  }),
  postgres(
    'a setting is made through ALTER SYSTEM',
    `psql_do "alter system set password_encryption = 'md5'" 'select pg_reload_conf()' >/dev/null`,
    /^set password_encryption and reload the server$/,
    {
      hazard: 'reload',
      healed: is('show password_encryption', 'scram-sha-256'),
      touches: ['settings'],
    },
  ),
  postgres(
    'a setting that needs a restart is made in a file of its own',
    `echo "listen_addresses = '*'" >${CONF}/conf.d/by-hand.conf; systemctl restart postgresql@15-main`,
    /^set listen_addresses and restart the server$/,
    {
      hazard: 'restart',
      healed: `test "$(psql_do 'show listen_addresses' | tr -d ' ')" = "localhost,$ADDRESS"`,
      touches: ['settings', 'hba', 'password of todo'],
    },
  ),
  postgres(
    'the server runs with a setting that was put back since',
    `cp -p ${CONF}/postgresql.conf /root/conf; echo "listen_addresses = '*'" >>${CONF}/postgresql.conf
    systemctl restart postgresql@15-main; cat /root/conf >${CONF}/postgresql.conf; rm /root/conf`,
    /^restart the server: it runs with another listen_addresses$/,
    {
      hazard: 'restart',
      healed: `test "$(psql_do 'show listen_addresses' | tr -d ' ')" = "localhost,$ADDRESS"`,
      touches: ['settings', 'hba', 'password of todo'],
    },
  ),
  postgres('the server is stopped', 'systemctl stop postgresql@15-main', /^start postgresql@15-main\.service$/, {
    alone: true,
  }),
  postgres(
    'the server is killed',
    `kill -9 $(head -1 /var/lib/postgresql/15/main/postmaster.pid); until_true '! pgrep -x postgres >/dev/null'`,
    /^start postgresql@15-main\.service$/,
    {
      alone: true,
    },
  ),
];

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../desired-state/schema/secret.ts';
import { startHost } from '../hosts/host.ts';
import { AgentOnHost, differences, type Sections } from './agent-on-host.ts';
import { CONFIG, HBA, installedImage, psql, SERVER_LOG } from './postgres-host.ts';

/** What must be refused, with a reason, and with the server as it was. */

interface Refusal {
  readonly name: string;
  readonly postgres: Sections;
  readonly says: RegExp;
}

const refusals: readonly Refusal[] = [
  {
    name: 'a value that no server takes',
    postgres: { settings: { work_mem: 'banana' } },
    says: /would not start with this configuration; nothing was changed: .*invalid value for parameter "work_mem"/,
  },
  {
    name: 'values that do not go together',
    postgres: { settings: { wal_level: 'minimal', max_wal_senders: 10 } },
    says: /nothing was changed: .*WAL streaming/,
  },
  {
    name: 'a library that is not there',
    postgres: { settings: { shared_preload_libraries: ['nonesuch'] } },
    says: /nothing was changed: .*could not access file "nonesuch"/,
  },
  {
    name: 'more memory than the machine has',
    postgres: { settings: { shared_buffers: '900GB' } },
    says: /MB of shared memory and this machine has \d+ MB/,
  },
  {
    name: 'an unknown setting',
    postgres: { settings: { wrok_mem: '8MB' } },
    says: /has no setting "wrok_mem"/,
  },
  {
    name: 'an entry of pg_hba.conf that the server does not take',
    postgres: { hba: [{ from: '10.0.0.0/8', method: 'radius' }] },
    says: /refuses the declared pg_hba.conf, line \d+: .*radius.*The file that stood there is back/,
  },
  {
    name: 'another encoding of a database that is there',
    postgres: { databases: { template1: { encoding: 'LATIN1' } } },
    says: /has encoding UTF8 and not LATIN1/,
  },
  {
    name: 'an older extension',
    postgres: { databases: { postgres: { extensions: { plpgsql: { version: '0.9' } } } } },
    says: /extensions cannot go back/,
  },
  {
    name: 'the removal of a role that owns objects',
    postgres: { roles: { holder: { ensure: 'absent' } } },
    says: /role holder owns objects in postgres: name the role that gets them with reassign_to/,
  },
];

void test('what PostgreSQL would refuse is refused with a reason, and nothing is changed', async (t) => {
  await using host = await startHost({ image: await installedImage() });
  const agent = await AgentOnHost.install(host);
  await psql(host, 'create role holder; create table held (a int); alter table held owner to holder');
  const look = () => host.sh(`sha256sum ${CONFIG} ${HBA}; head -1 /var/lib/postgresql/15/main/postmaster.pid; ls /run`);
  const before = await look();
  for (const { name, postgres, says } of refusals) await t.test(name, () => isRefused(agent, postgres, says));
  await t.test('the files and the server are as they were', async () => assert.equal(await look(), before));
  await t.test('no password reaches the log of a server that logs everything', () => keepsSecrets(agent));
  await t.test('a standby is told so', async () => {
    await host.sh('touch /var/lib/postgresql/15/main/standby.signal && systemctl restart postgresql@15-main');
    await isRefused(agent, { roles: { fresh: {} } }, /is a standby \(in recovery\)/);
  });
});

async function isRefused(agent: AgentOnHost, postgres: Sections, says: RegExp): Promise<void> {
  await agent.writeManifest({ postgres }, { revision: JSON.stringify(postgres) });
  const { code, result } = await agent.run();
  assert.equal(code, 1);
  assert.match(differences(result).join('\n'), says);
}

async function keepsSecrets(agent: AgentOnHost): Promise<void> {
  const { host } = agent;
  const password = 'never-in-any-log';
  await psql(host, "alter system set log_statement = 'all'");
  await psql(host, 'alter system set log_min_duration_statement = 0');
  await psql(host, 'select pg_reload_conf()');
  const roles = { secretive: { login: true, password: new Secret(password) } };
  await agent.writeManifest({ postgres: { roles } }, { revision: 'secret' });
  const { code, result, stderr } = await agent.run();
  assert.equal(code, 0, differences(result).join('\n'));
  const stored = (await psql(host, "select rolpassword from pg_authid where rolname = 'secretive'")).trim();
  const log = await host.readFile(SERVER_LOG);
  assert.match(log, /CREATE ROLE "secretive"/);
  for (const secret of [password, stored]) {
    assert.ok(!log.includes(secret) && !`${JSON.stringify(result)}${stderr}`.includes(secret));
  }
}

import { randomUUID } from 'node:crypto';
import { installedImage, psql } from '../conformance/postgres-host.ts';
import { type Host, startHost } from '../hosts/host.ts';

const PASSWORD = 'f0r-controllers';

/** A host with PostgreSQL 15 that controllers share. */
export interface DatabaseHost extends AsyncDisposable {
  readonly host: Host;
  /** Resolves to the URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** As PostgreSQL's administrator; resolves to the rows, tab-separated. */
  psql(statement: string): Promise<string>;
}

export async function startDatabaseHost(): Promise<DatabaseHost> {
  const host = await startHost({ name: 'database', image: await installedImage() });
  await host.sh(`
    cd /etc/postgresql/15/main
    echo "listen_addresses = '*'" >>postgresql.conf
    echo 'host all controller all scram-sha-256' >>pg_hba.conf
    systemctl restart postgresql@15-main
  `);
  await psql(host, `create role controller login password '${PASSWORD}'`);
  return {
    host,
    async createDatabase() {
      const name = `c_${randomUUID().replaceAll('-', '')}`;
      await psql(host, `create database ${name} owner controller`);
      return `postgres://controller:${PASSWORD}@${host.address}/${name}`;
    },
    psql: (statement) => psql(host, statement),
    [Symbol.asyncDispose]: () => host.dispose(),
  };
}

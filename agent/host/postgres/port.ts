/** One cluster of Debian's postgresql-common layout. */
export interface Cluster {
  readonly version: string;
  readonly name: string;
  /** Such as `/etc/postgresql/15/main`. */
  readonly configDirectory: string;
  readonly dataDirectory: string;
  readonly hbaFile: string;
  /** Where the server's own programs are, such as `/usr/lib/postgresql/15/bin`. */
  readonly binaries: string;
  readonly port: number;
  readonly socketDirectory: string;
  /** `postgresql@15-main.service`. */
  readonly unit: string;
}

/** One active `name = value` line. */
export interface ConfigAssignment {
  /** In lower case. */
  readonly name: string;
  /** Without quotes and escapes. */
  readonly value: string;
  /** Index into the lines of the text, from 0. */
  readonly line: number;
}

export interface ConfigFile {
  readonly path: string;
  readonly text: string;
  readonly assignments: readonly ConfigAssignment[];
}

export interface Configuration {
  /** `postgresql.conf` first, then what it includes, `postgresql.auto.conf` last; without files that are not there. */
  readonly files: readonly ConfigFile[];
  /** All assignments in the order in which the server reads them: of one name the last counts. */
  readonly order: readonly (ConfigAssignment & { readonly path: string })[];
  /** The newest ctime of the files. */
  readonly changed_ms: number;
}

export type SqlValue = string | number | boolean | null | readonly string[];
export type Row = Readonly<Record<string, unknown>>;

export interface Statement {
  readonly sql: string;
  readonly values?: readonly SqlValue[];
}

/** Why `query` had no answer. `refused`: the server runs, and its `pg_hba.conf` does not let the agent in. */
export interface Access {
  readonly state: 'ready' | 'down' | 'starting' | 'refused';
  readonly reason: string;
}

export interface QueryOptions {
  /** A connection opened before this moment is replaced: a backend keeps some settings, and the time of the last reload, of when it was started. */
  readonly connectedAfter_ms?: number;
}

/** Connections go over the unix socket as the operating-system user `postgres`, are kept open between runs and closed when idle for long. */
export interface PostgresReader {
  clusters(): Promise<readonly Cluster[]>;
  /** Major versions whose server is installed, ascending, with a cluster or without. */
  installedVersions(): Promise<readonly string[]>;
  configuration(cluster: Cluster): Promise<Configuration>;
  /**
   * Runs read-only; parameters travel apart from the text. `undefined` where the server does not accept the
   * connection because it is absent, stopped or starting, or keeps the agent out (`access` says which); rejects on
   * every other error.
   */
  query(
    cluster: Cluster,
    database: string,
    sql: string,
    values?: readonly SqlValue[],
    options?: QueryOptions,
  ): Promise<readonly Row[] | undefined>;
  /** Tries a connection of its own to the database `postgres`. */
  access(cluster: Cluster): Promise<Access>;
  /** True when `stored` (`pg_authid.rolpassword`) is a SCRAM verifier of `password`, or `password` is that verifier itself. Remembered, since one SCRAM takes 2 ms. */
  passwordMatches(stored: string, password: string): boolean;
}

export interface PostgresWriter extends PostgresReader {
  /** Statements in one transaction; a single statement that refuses one (CREATE DATABASE) runs alone. Serialised per cluster. */
  execute(cluster: Cluster, database: string, statements: readonly Statement[]): Promise<void>;
  /** Sends a SCRAM verifier and never the password, with the logging of statements off; `null` clears the password. */
  setPassword(cluster: Cluster, role: string, password: string | null): Promise<void>;
  /** SIGHUP to the server, for which no connection is needed; kept connections are closed, because they would keep what a reload does not change in them. */
  reload(cluster: Cluster): Promise<void>;
}

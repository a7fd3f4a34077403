/** One cluster of Debian's postgresql-common layout. */
export interface Cluster {
  readonly version: string;
  readonly name: string;
  /** Such as `/etc/postgresql/15/main`. */
  readonly configDirectory: string;
  readonly dataDirectory: string;
  readonly port: number;
  readonly socketDirectory: string;
  /** `postgresql@15-main.service`. */
  readonly unit: string;
}

export type SqlValue = string | number | boolean | null | readonly string[];
export type Row = Readonly<Record<string, unknown>>;

/** Connections go over the unix socket as the operating-system user `postgres`, are kept open between runs and closed when idle for long. */
export interface PostgresReader {
  clusters(): Promise<readonly Cluster[]>;
  /**
   * Runs in a read-only transaction; parameters travel apart from the text. `undefined` where the server does not
   * accept connections because it is absent, stopped or starting; rejects on every other error.
   */
  query(
    cluster: Cluster,
    database: string,
    sql: string,
    values?: readonly SqlValue[],
  ): Promise<readonly Row[] | undefined>;
}

export interface PostgresWriter extends PostgresReader {
  /** Statements in one transaction; a single statement that refuses one (CREATE DATABASE) runs alone. Serialised per cluster. */
  execute(
    cluster: Cluster,
    database: string,
    statements: readonly { readonly sql: string; readonly values?: readonly SqlValue[] }[],
  ): Promise<void>;
}

export interface InstalledPackage {
  readonly name: string;
  readonly architecture: string;
  readonly version: string;
  /** dpkg's own words: want (`install`, `hold`, `deinstall`, `purge`) and status (`installed`, `half-configured`, `config-files` …). */
  readonly want: string;
  readonly status: string;
  /** Names that it provides, without versions. */
  readonly provides: readonly string[];
}

/** Reads dpkg's and apt's own files, remembered while they do not change; starts no process in the steady state. */
export interface PackageReader {
  /** By name; a foreign architecture as `name:arch`. Includes packages of which only the configuration is left. */
  installed(): Promise<ReadonlyMap<string, InstalledPackage>>;
  /** Names that apt holds to be installed automatically (`/var/lib/apt/extended_states`). */
  automatic(): Promise<ReadonlySet<string>>;
  /** True when dpkg was interrupted (`/var/lib/dpkg/updates` not empty, or a half-installed package). */
  interrupted(): Promise<boolean>;
  /**
   * The candidate version of each name by apt's own policy; `undefined` for a name that apt does not know. One
   * `apt-cache policy` call, remembered until the lists, the sources, the preferences or dpkg's status change.
   */
  candidates(names: readonly string[]): Promise<ReadonlyMap<string, string | undefined>>;
  /** When the package lists were last fetched, in milliseconds since the epoch; 0 for never. */
  listsFetched_ms(): Promise<number>;
}

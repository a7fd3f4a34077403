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

/** What apt's policy says of one name. */
export interface Candidate {
  /** The version that `apt-get install` would take; `undefined` for a virtual package. */
  readonly version: string | undefined;
  /** All versions that the sources and dpkg know, newest first. */
  readonly versions: readonly string[];
}

/** Reads dpkg's and apt's own files, remembered while they do not change; starts no process in the steady state. */
export interface PackageReader {
  /** By name; a foreign architecture as `name:arch`. Includes packages of which only the configuration is left. */
  installed(): Promise<ReadonlyMap<string, InstalledPackage>>;
  /** Names that apt holds to be installed automatically (`/var/lib/apt/extended_states`). */
  automatic(): Promise<ReadonlySet<string>>;
  /** True when dpkg was interrupted (`/var/lib/dpkg/updates` not empty, or a package between two states). */
  interrupted(): Promise<boolean>;
  /**
   * What apt's own policy says of each name; `undefined` for a name that apt does not know. One `apt-cache policy` call,
   * remembered until the lists, the sources, the preferences or dpkg's status change. Writes nothing, apt's caches included.
   */
  candidates(names: readonly string[]): Promise<ReadonlyMap<string, Candidate | undefined>>;
  /** When the package lists were last fetched, in milliseconds since the epoch; 0 for never. */
  listsFetched_ms(): Promise<number>;
  /** When it was last tried, with success or without. */
  refreshTried_ms(): Promise<number>;
}

export interface PackageWriter extends PackageReader {
  /** Notes on disk that the lists were fetched just now, or that it was tried in vain. */
  noteRefresh(result: 'fetched' | 'failed'): Promise<void>;
  /** Keeps what `candidates` knows on disk, so that the next process need not ask apt; of use until dpkg or the lists change. */
  rememberCandidates(names: readonly string[]): Promise<void>;
}

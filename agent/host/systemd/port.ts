export type UnitFileState =
  | 'enabled'
  | 'enabled-runtime'
  | 'disabled'
  | 'static'
  | 'masked'
  | 'masked-runtime'
  | 'generated'
  | 'indirect'
  | 'alias'
  | 'linked'
  | 'transient'
  | 'absent'
  | (string & {});

export interface UnitStatus {
  /** The full unit name, such as `nginx.service`, after aliases are followed. */
  readonly unit: string;
  readonly load: 'loaded' | 'not-found' | 'masked' | 'error' | 'bad-setting' | (string & {});
  readonly active: 'active' | 'inactive' | 'failed' | 'activating' | 'deactivating' | 'reloading' | (string & {});
  readonly sub: string;
  readonly unitFile: UnitFileState;
  /** A unit file or drop-in changed on disk since systemd read it. */
  readonly needsDaemonReload: boolean;
  /** 0 where no main process runs. */
  readonly mainPid: number;
  /** When the main process was started, in milliseconds since the epoch (by the clock of that moment); 0 where the unit is inactive. */
  readonly mainStarted_ms: number;
  /** When it last became active, in milliseconds since the epoch; 0 for never. */
  readonly activeSince_ms: number;
  /** When its state last changed, which a reload does too, in milliseconds since the epoch. */
  readonly stateChanged_ms: number;
  /** The unit file and the drop-ins that systemd has read, absolute paths; they may be gone from the disk. */
  readonly files: readonly string[];
  /** Why its last run ended, in systemd's words; empty for an inactive unit. */
  readonly result: string;
}

/** Speaks D-Bus to PID 1 over `/run/systemd/private`; starts no process. */
export interface SystemdReader {
  /** Status of several units over one connection, all asked at once: about one round trip in all. `name` may lack `.service`. Absent units have load `not-found`. */
  units(names: readonly string[]): Promise<ReadonlyMap<string, UnitStatus>>;
  unit(name: string): Promise<UnitStatus>;
}

/** Every job is awaited (`JobRemoved`) with a bound; a job that does not end as `done` rejects with the unit's result and the end of its journal. */
export interface SystemdWriter extends SystemdReader {
  start(unit: string, options?: { readonly timeout_ms?: number }): Promise<void>;
  stop(unit: string, options?: { readonly timeout_ms?: number }): Promise<void>;
  restart(unit: string, options?: { readonly timeout_ms?: number }): Promise<void>;
  reload(unit: string, options?: { readonly timeout_ms?: number }): Promise<void>;
  enable(unit: string): Promise<void>;
  disable(unit: string): Promise<void>;
  mask(unit: string): Promise<void>;
  unmask(unit: string): Promise<void>;
  daemonReload(): Promise<void>;
  resetFailed(unit: string): Promise<void>;
}

/**
 * The ports: all that a resource kind may know of the machine. `HostReader` looks, `Host` also changes; `observe` gets
 * the first and `apply` the second, so that a dry run cannot change anything by construction.
 */
import type { AccountReader } from './accounts/port.ts';
import type { CommandRunner, ProbeRunner } from './commands/port.ts';
import type { FileReader, FileWriter } from './files/port.ts';
import type { GitReader, GitWriter } from './git/port.ts';
import type { LocalHttp } from './http/port.ts';
import type { PackageReader, PackageWriter } from './packages/port.ts';
import type { PostgresReader, PostgresWriter } from './postgres/port.ts';
import type { ProcessReader, ProcessWriter } from './processes/port.ts';
import type { SupervisorReader, SupervisorWriter } from './supervisor/port.ts';
import type { SystemdReader, SystemdWriter } from './systemd/port.ts';
import type { TreeReader, TreeWriter } from './trees/port.ts';

export interface HostReader {
  readonly files: FileReader;
  readonly accounts: AccountReader;
  readonly packages: PackageReader;
  readonly systemd: SystemdReader;
  readonly processes: ProcessReader;
  readonly supervisor: SupervisorReader;
  readonly postgres: PostgresReader;
  readonly git: GitReader;
  readonly trees: TreeReader;
  readonly http: LocalHttp;
  /** Milliseconds since the epoch, as `Date.now()`; tests move it. */
  now(): number;
  /** Runs a program that only looks (`nginx -t` on a shadow tree, `apt-cache policy`). Never in the steady state. */
  readonly probe: ProbeRunner;
}

export interface Host extends HostReader {
  readonly files: FileWriter;
  readonly packages: PackageWriter;
  readonly systemd: SystemdWriter;
  readonly processes: ProcessWriter;
  readonly supervisor: SupervisorWriter;
  readonly postgres: PostgresWriter;
  readonly git: GitWriter;
  readonly trees: TreeWriter;
  readonly run: CommandRunner;
}

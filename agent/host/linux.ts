import { linuxAccounts } from './accounts/linux.ts';
import { runCommand } from './commands/run.ts';
import { linuxFiles } from './files/linux.ts';
import { linuxGit } from './git/linux.ts';
import type { Host } from './host.ts';
import { localHttp } from './http/local.ts';
import { linuxPackages } from './packages/linux.ts';
import { linuxPostgres } from './postgres/linux.ts';
import { linuxProcesses } from './processes/linux.ts';
import { linuxSupervisor } from './supervisor/linux.ts';
import { linuxSystemd } from './systemd/linux.ts';
import { linuxTrees } from './trees/linux.ts';

/** The machine that this process runs on, with all ports. Opens nothing and starts nothing until a port is used. */
export function createLinuxHost(): Host {
  const files = linuxFiles();
  return {
    files,
    accounts: linuxAccounts(files),
    packages: linuxPackages({ files, probe: runCommand }),
    systemd: linuxSystemd(),
    processes: linuxProcesses(),
    supervisor: linuxSupervisor({ files }),
    postgres: linuxPostgres({ files }),
    git: linuxGit({ files }),
    trees: linuxTrees(),
    http: localHttp(),
    now: () => Date.now(),
    probe: runCommand,
    run: runCommand,
  };
}

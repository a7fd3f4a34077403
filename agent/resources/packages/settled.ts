import type { Compared } from './state.ts';
import { matchesVersion } from './version.ts';

/** Whether the version (or absence) is as declared, so far as dpkg alone can tell: a `latest` is never settled by that. Pure. */
export function isSettled({ declared, installed, provider }: Compared): boolean {
  const there = installed?.status === 'installed';
  switch (declared.ensure) {
    case 'absent':
      return !there && (installed === undefined || (installed.status === 'config-files' && !declared.purge));
    case 'latest':
      return false;
    case 'present':
      if (declared.version !== undefined) return there && matchesVersion(installed.version, declared.version);
      return there || provider !== undefined;
  }
}

import type { InstalledPackage } from '../../host/packages/port.ts';

/** Virtual names, each with a package that provides it and is installed. Pure. */
export function providers(installed: ReadonlyMap<string, InstalledPackage>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const one of installed.values()) {
    if (isInstalled(one)) for (const name of one.provides) found.set(name, one.name);
  }
  return found;
}

export function isInstalled(one: InstalledPackage | undefined): boolean {
  return one?.status === 'installed';
}

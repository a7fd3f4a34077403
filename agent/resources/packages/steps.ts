import { isSettled } from './settled.ts';
import type { Compared, PackagesState, Step } from './state.ts';
import { compareVersions, matchesVersion } from './version.ts';

/** What has to be done, in order. Pure; the same before and after the lists were refreshed. */
export function stepsOf(state: PackagesState): readonly Step[] {
  return [
    ...(state.interrupted ? [{ do: 'repair' } as const] : []),
    ...(state.refreshDue_ms === undefined ? [] : [{ do: 'refresh', age_ms: state.refreshDue_ms } as const]),
    ...state.packages.flatMap(stepsOfPackage),
  ];
}

function stepsOfPackage(one: Compared): readonly Step[] {
  const { name, declared, installed } = one;
  const version = versionSteps(one);
  if (declared.ensure === 'absent') return version;
  const isHeld = installed?.want === 'hold';
  return [
    ...version,
    ...(declared.held === true && !isHeld ? [{ do: 'hold', name } as const] : []),
    ...(declared.held === false && isHeld ? [{ do: 'unhold', name } as const] : []),
    ...(one.automatic && installed?.status === 'installed' ? [{ do: 'mark manual', name } as const] : []),
  ];
}

function versionSteps(one: Compared): readonly Step[] {
  if (isSettled(one)) return [];
  const { name, declared, installed } = one;
  const wanted = declared.ensure === 'absent' ? removal(one) : installation(one);
  const changes = wanted.some((step) => step.do !== 'find' && step.do !== 'refuse' && step.do !== 'purge');
  // A hold set by hand says "hands off"; only a manifest that speaks of the hold itself may overrule it.
  if (changes && installed?.want === 'hold' && declared.held === undefined) {
    const reason = `${name} is held at ${installed.version} by hand (apt-mark hold), and the manifest wants ${wish(one)}: take the hold off, or write "held: true" or "held: false"`;
    return [{ do: 'refuse', name, reason }];
  }
  return wanted;
}

function removal({ name, declared, installed }: Compared): readonly Step[] {
  if (installed === undefined) return [];
  const purge = declared.purge ? [{ do: 'purge', name } as const] : [];
  return installed.status === 'config-files' ? purge : [{ do: 'remove', name, from: installed.version }, ...purge];
}

function installation(one: Compared): readonly Step[] {
  const { name, declared, installed, candidate } = one;
  const from = installed === undefined || installed.status === 'config-files' ? undefined : installed.version;
  const recommends = declared.recommends;
  if (candidate === undefined || candidate === 'unknown') {
    // Installed from a file, and no source knows it: there is no later version.
    if (declared.ensure === 'latest' && installed?.status === 'installed') return [];
    return [{ do: 'find', name, reason: `no source of this host knows a package ${name}` }];
  }
  // A virtual package that another one provides has no version of its own that could be later.
  if (declared.ensure === 'latest' && candidate.version === undefined && one.provider !== undefined) return [];
  const to = declared.version === undefined ? candidate.version : newestMatch(candidate.versions, declared.version);
  if (to === undefined && declared.version !== undefined) {
    return [
      { do: 'find', name, reason: `no version of ${name} matches "${declared.version}"${known(candidate.versions)}` },
    ];
  }
  if (from === undefined) return [{ do: 'install', name, from, to, recommends }];
  const order = to === undefined ? 1 : compareVersions(to, from);
  if (order === 0 && installed?.status === 'installed') return [];
  if (order >= 0) return [{ do: order === 0 ? 'install' : 'upgrade', name, from, to, recommends }];
  if (declared.allow_downgrade) return [{ do: 'downgrade', name, from, to, recommends }];
  if (declared.ensure === 'latest') return [];
  const reason = `${name} ${from} is installed, and ${wish(one)} would be a downgrade to ${to ?? ''}: consent to it with "allow_downgrade: true"`;
  return [{ do: 'refuse', name, reason }];
}

function newestMatch(versions: readonly string[], pattern: string): string | undefined {
  return versions.filter((version) => matchesVersion(version, pattern)).sort((a, b) => compareVersions(b, a))[0];
}

function known(versions: readonly string[]): string {
  return versions.length === 0 ? '' : `; known are ${versions.slice(0, 8).join(', ')}`;
}

function wish({ declared }: Compared): string {
  return declared.ensure === 'present' ? (declared.version ?? 'present') : declared.ensure;
}

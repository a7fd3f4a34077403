import { holdsData } from '../shared/in-the-way.ts';
import { ownershipDifferences, typeText } from '../shared/ownership.ts';
import type { DirectoryChange, DirectorySpec, DirectoryState, Stray, Unmanaged } from './state.ts';

export function diff(spec: DirectorySpec, state: DirectoryState): readonly DirectoryChange[] {
  const { there } = state;
  const { name: path, force } = spec;
  if (spec.ensure === 'absent') {
    if (there === undefined) return [];
    const kept = !force && (holdsData(there, state.inhabited) || state.inhabited);
    return kept ? [refusal(path, inTheWay(spec, state))] : [{ type: 'remove', path, seen: there, force }];
  }
  const owned = { owner: spec.owner, group: spec.group, mode: spec.mode };
  if (there === undefined) return [{ type: 'make', path, owned, seen: undefined }];
  if (there.type !== 'directory') {
    const kept = !force && (holdsData(there, undefined) || state.inhabited);
    return kept ? [refusal(path, inTheWay(spec, state))] : [{ type: 'make', path, owned, seen: there }];
  }
  const differences = ownershipDifferences(owned, state.ids, there);
  return [
    ...(differences.length === 0 ? [] : [{ type: 'attributes', path, owned, seen: there, differences } as const]),
    ...purge(spec, state.unmanaged),
    ...own(spec, state),
  ];
}

function purge(spec: DirectorySpec, unmanaged: readonly Unmanaged[]): readonly DirectoryChange[] {
  const path = spec.name;
  const removable = unmanaged.filter((entry) => spec.force || !entry.inhabited);
  const full = unmanaged.filter((entry) => !removable.includes(entry)).map((entry) => entry.name);
  const reason = `${path} holds directories that nobody declared and that are not empty: ${full.join(', ')}; name them in "keep", move them away, or set "force: true"`;
  return [
    ...(removable.length === 0 ? [] : [{ type: 'purge', path, entries: removable } as const]),
    ...(full.length === 0 ? [] : [refusal(path, reason)]),
  ];
}

function own(spec: DirectorySpec, { strays, ids }: DirectoryState): readonly DirectoryChange[] {
  if (strays.length === 0) return [];
  // A second name of a file may stand anywhere, /etc/shadow included: its owner is not changed for the sake of this one.
  const shared = strays.filter(
    (stray) => isShared(stray) && (stray.stat.uid !== ids.uid || stray.stat.gid !== ids.gid),
  );
  const single = strays.filter((stray) => !shared.includes(stray));
  const owned = { owner: spec.owner, group: spec.group, mode: spec.mode };
  const reason = `${shared[0]?.path ?? ''} has more than one hard link, so that its owner is not changed: replace it by a copy`;
  return [
    ...(single.length === 0 ? [] : [{ type: 'own', path: spec.name, owned, strays: single } as const]),
    ...(shared.length === 0 ? [] : [refusal(spec.name, reason)]),
  ];
}

function isShared({ stat }: Stray): boolean {
  return stat.type !== 'directory' && stat.links > 1;
}

function inTheWay(spec: DirectorySpec, { there }: DirectoryState): string {
  const what = there === undefined ? 'nothing' : typeText(there);
  const behind = there?.type === 'symlink' ? 'a symlink to a directory' : `${what} that holds data`;
  return `${spec.name} is ${behind}: move it away, or set "force: true" to remove it`;
}

function refusal(path: string, reason: string): DirectoryChange {
  return { type: 'refuse', path, reason };
}

import { holdsData } from '../shared/in-the-way.ts';
import { ownershipDifferences, typeText } from '../shared/ownership.ts';
import { contentHash, contentOf } from './content.ts';
import type { FileChange, FileSpec, FileState } from './state.ts';

export function diff(spec: FileSpec, state: FileState): readonly FileChange[] {
  const { there } = state;
  const path = spec.name;
  const refusal = refuse(spec, state);
  if (refusal !== undefined) return [{ type: 'refuse', path, reason: refusal }];
  if (spec.ensure === 'absent')
    return there === undefined ? [] : [{ type: 'remove', path, seen: there, force: spec.force }];

  const owned = { owner: spec.owner, group: spec.group, mode: spec.mode };
  const differences = there?.type === 'file' ? ownershipDifferences(owned, state.ids, there) : [];
  const isRight = there?.type === 'file' && state.hash === contentHash(spec);
  if (isRight && differences.length === 0) return [];

  const write = {
    type: 'write',
    path,
    content: contentOf(spec),
    owned,
    seen: there,
    before: state.text,
    force: spec.force,
  } as const;
  if (there === undefined) return [{ ...write, also: [] }];
  if (there.type !== 'file') return [{ ...write, also: [`replacing ${whatStands(state)}`] }];

  if (!isRight) return [{ ...write, also: differences }];
  // Giving away one name of a file with several would give away the others, which may stand anywhere: make a copy.
  const givesAway = there.links > 1 && (there.uid !== state.ids.uid || there.gid !== state.ids.gid);
  if (givesAway) return [{ ...write, also: [...differences, 'breaking its hard links'] }];
  return [{ type: 'attributes', path, owned, seen: there, differences }];
}

function refuse(spec: FileSpec, { there, inhabited }: FileState): string | undefined {
  if (there === undefined || there.type === 'file' || spec.force || !holdsData(there, inhabited)) return undefined;
  return `${spec.name} is ${typeText(there)} that holds data: move it away, or set "force: true" to remove it`;
}

function whatStands(state: FileState): string {
  if (state.there === undefined) return 'nothing';
  if (state.linkTarget !== undefined) return `a symlink to ${state.linkTarget}`;
  return typeText(state.there);
}

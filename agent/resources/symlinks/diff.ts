import { posix } from 'node:path';
import { holdsData } from '../shared/in-the-way.ts';
import { typeText } from '../shared/ownership.ts';
import type { SymlinkChange, SymlinkSpec, SymlinkState } from './state.ts';

export function diff(spec: SymlinkSpec, state: SymlinkState): readonly SymlinkChange[] {
  const { there, ids } = state;
  const { name: path, target, force } = spec;
  const refusal = refuse(spec, state);
  if (refusal !== undefined) return [{ type: 'refuse', path, reason: refusal }];
  if (target === undefined) return there === undefined ? [] : [{ type: 'remove', path, seen: there, force }];

  const owned = { owner: spec.owner, group: spec.group };
  const link = { type: 'link', path, target, owned, seen: there, force } as const;
  if (there === undefined) return [{ ...link, instead: undefined }];
  if (there.type !== 'symlink') return [{ ...link, instead: typeText(there) }];
  if (state.target !== target) return [{ ...link, instead: `a symlink to ${state.target ?? 'nothing'}` }];
  if (there.uid === ids.uid && there.gid === ids.gid) return [];
  return [{ ...link, instead: `the same of uid ${there.uid}, gid ${there.gid}` }];
}

/** Only what holds no data goes away without `force`. */
function refuse(spec: SymlinkSpec, { there, inhabited }: SymlinkState): string | undefined {
  if (spec.target !== undefined && posix.resolve(posix.dirname(spec.name), spec.target) === spec.name) {
    return `${spec.name} would be a symlink to itself: name another target`;
  }
  if (there === undefined || spec.force || !holdsData(there, inhabited)) return undefined;
  return `${spec.name} is ${typeText(there)} that holds data: move it away, or set "force: true" to remove it`;
}

import { ownershipDifferences, typeText } from '../shared/ownership.ts';
import { withEntry, withoutEntry } from './fstab.ts';
import type { SwapSpec, SwapState } from './observe.ts';

export type SwapChange =
  | { readonly type: 'clean'; readonly path: string }
  /** Something that is no file stands at the path. */
  | { readonly type: 'blocked'; readonly path: string; readonly by: string }
  | {
      readonly type: 'create';
      readonly path: string;
      readonly size_bytes: number;
      /** `foreign`: a file that is no swap area stands there. */
      readonly replaces: 'nothing' | 'foreign' | { readonly size_bytes: number };
      readonly active: boolean;
    }
  | { readonly type: 'own'; readonly path: string; readonly differences: readonly string[] }
  | { readonly type: 'off'; readonly path: string; readonly reason: string }
  | { readonly type: 'on'; readonly path: string; readonly priority: number | undefined; readonly size_bytes: number }
  | { readonly type: 'fstab'; readonly before: string; readonly after: string }
  | { readonly type: 'remove'; readonly path: string };

const OWNED = { owner: 'root', group: 'root', mode: 0o600 };
const ROOT = { uid: 0, gid: 0 };

export function diff(spec: SwapSpec, state: SwapState): readonly SwapChange[] {
  if (state.exempt !== undefined) return [];
  const clean: SwapChange[] = state.leftover ? [{ type: 'clean', path: spec.name }] : [];
  return [...clean, ...(spec.ensure === 'absent' ? towardsAbsent(spec, state) : towardsPresent(spec, state))];
}

function towardsAbsent({ name }: SwapSpec, state: SwapState): readonly SwapChange[] {
  const changes: SwapChange[] = [];
  if (state.active !== undefined) changes.push({ type: 'off', path: name, reason: 'declared absent' });
  changes.push(...fstabChange(state.fstab, withoutEntry(state.fstab, name)));
  if (state.file?.type === 'file') changes.push({ type: 'remove', path: name });
  return changes;
}

function towardsPresent(spec: SwapSpec, state: SwapState): readonly SwapChange[] {
  const { name, priority, size: size_bytes = 0 } = spec;
  const { file, active } = state;
  if (file !== undefined && file.type !== 'file') return [{ type: 'blocked', path: name, by: typeText(file) }];
  const changes: SwapChange[] = [];
  const remade = file === undefined || !state.formatted || file.size_bytes !== size_bytes;
  if (remade) {
    const replaces = file === undefined ? 'nothing' : state.formatted ? { size_bytes: file.size_bytes } : 'foreign';
    changes.push({ type: 'create', path: name, size_bytes, replaces, active: active !== undefined });
  } else {
    const differences = ownershipDifferences(OWNED, ROOT, file);
    if (differences.length > 0) changes.push({ type: 'own', path: name, differences });
  }
  const wrongPriority = active !== undefined && priority !== undefined && active.priority !== priority;
  if (wrongPriority && !remade) {
    changes.push({ type: 'off', path: name, reason: `its priority is ${active.priority} and not ${priority}` });
  }
  if (remade || active === undefined || wrongPriority) changes.push({ type: 'on', path: name, priority, size_bytes });
  changes.push(...fstabChange(state.fstab, withEntry(state.fstab, { path: name, priority })));
  return changes;
}

function fstabChange(before: string, after: string): readonly SwapChange[] {
  return before === after ? [] : [{ type: 'fstab', before, after }];
}

import { type MaybeSecret, reveal } from '../../../desired-state/schema/secret.ts';
import { groupsIn, isReleaseGroup } from '../shared/supervisor-program.ts';
import { type DesiredFile, type DesiredGroup, desiredFiles, desiredGroups, type Spec } from './desired.ts';
import type { ActualFile, State } from './observe.ts';

export interface FileWrite {
  readonly path: string;
  readonly text: MaybeSecret;
  readonly mode: number;
  readonly before: ActualFile | undefined;
}

export interface FileRemoval {
  readonly path: string;
  readonly before: ActualFile;
}

/** Files and the groups that take their new configuration, as one step: all of it holds, or what was there comes back. */
export interface Switch {
  readonly kind: 'switch';
  readonly writes: readonly FileWrite[];
  readonly removals: readonly FileRemoval[];
  /** Groups that will run another configuration, or stop; what else supervisord finds changed is left alone. */
  readonly groups: readonly string[];
  readonly desired: readonly DesiredGroup[];
  /** Names that are ours to add and remove: declared groups and programs, which are groups of their own where no group takes them. */
  readonly ours: readonly string[];
  /** Something that runs will stop, if only for a moment. */
  readonly disturbs: boolean;
}

export type Change =
  | Switch
  | { readonly kind: 'daemon'; readonly desired: readonly DesiredGroup[] }
  | { readonly kind: 'start'; readonly group: DesiredGroup; readonly states: readonly string[] }
  | { readonly kind: 'stop'; readonly group: DesiredGroup }
  | { readonly kind: 'broken'; readonly message: string };

const RUNS = new Set(['RUNNING', 'STARTING', 'BACKOFF']);

export function diff(spec: Spec, state: State): readonly Change[] {
  const desired = desiredGroups(spec);
  const change = planSwitch(spec, state, desired);
  const changes: Change[] = [];
  if (change !== undefined) changes.push(change);
  else if (state.broken !== undefined) changes.push({ kind: 'broken', message: state.broken });
  if (state.processes === undefined) {
    if (desired.length > 0 || change !== undefined) changes.push({ kind: 'daemon', desired });
    return changes;
  }
  const switched = new Set(change?.groups);
  const settled = desired.filter((group) => !switched.has(group.name));
  return [...changes, ...settled.flatMap((group) => planGroup(group, state))];
}

function planSwitch(spec: Spec, state: State, desired: readonly DesiredGroup[]): Switch | undefined {
  const files = desiredFiles(spec);
  const writes = files.flatMap((file) => planWrite(file, state.files.get(file.path)));
  const removals = planRemovals(spec, files, state);
  const declared = [...desired.map((group) => group.name), ...Object.keys(spec.groups), ...Object.keys(spec.programs)];
  const ours = new Set(declared);
  const touched = [
    ...writes.flatMap((write) => (sameText(write) ? [] : groupsOf(write, spec))),
    ...removals.flatMap((removal) => groupsIn(removal.before.text)),
    ...[...state.changes.added, ...state.changes.changed].filter((name) => ours.has(name)),
    ...state.changes.removed.filter((name) => ours.has(name) || (spec.purge && !isReleaseGroup(name))),
  ];
  const groups = [...new Set(touched)].sort();
  if (writes.length + removals.length + groups.length === 0) return undefined;
  const regrouped = writes.flatMap((write) => membersIn(reveal(write.text)));
  const disturbs = (state.processes ?? []).some(
    ({ group, state: is }) => RUNS.has(is) && (groups.includes(group) || regrouped.includes(group)),
  );
  return { kind: 'switch', writes, removals, groups, desired, ours: [...ours], disturbs };
}

/** The programs that a group's file takes. */
function membersIn(text: string): readonly string[] {
  return [...text.matchAll(/^programs=(?<names>.*)$/gm)].flatMap((match) => (match.groups?.['names'] ?? '').split(','));
}

function planWrite(file: DesiredFile, actual: ActualFile | undefined): readonly FileWrite[] {
  if (file.text === undefined) return [];
  const same =
    actual !== undefined &&
    actual.text === reveal(file.text) &&
    actual.mode === file.mode &&
    actual.uid === 0 &&
    actual.gid === 0;
  return same ? [] : [{ path: file.path, text: file.text, mode: file.mode, before: actual }];
}

function planRemovals(spec: Spec, files: readonly DesiredFile[], state: State): readonly FileRemoval[] {
  const kept = new Set(files.filter((file) => file.text !== undefined).map((file) => file.path));
  const declaredAbsent = new Set(files.filter((file) => file.text === undefined).map((file) => file.path));
  return [...state.files]
    .filter(([path]) => declaredAbsent.has(path) || (spec.purge && !kept.has(path)))
    .map(([path, before]) => ({ path, before }));
}

/** The groups that a file names before and after; a program that a group takes counts as that group. */
function groupsOf(write: FileWrite, spec: Spec): readonly string[] {
  const names = [...groupsIn(write.before?.text ?? ''), ...groupsIn(reveal(write.text))];
  const owners = names.flatMap((name) =>
    Object.entries(spec.groups).flatMap(([group, { programs }]) => (programs.includes(name) ? [group] : [])),
  );
  return owners.length > 0 ? [...owners, ...names.filter((name) => Object.hasOwn(spec.groups, name))] : names;
}

export function sameText(write: FileWrite): boolean {
  return write.before?.text === reveal(write.text);
}

function planGroup(group: DesiredGroup, state: State): readonly Change[] {
  const processes = (state.processes ?? []).filter((process) => process.group === group.name);
  if (group.ensure === 'stopped' && processes.some((process) => RUNS.has(process.state))) {
    return [{ kind: 'stop', group }];
  }
  if (group.ensure !== 'running') return [];
  const down = processes.filter(
    (process) =>
      ['STOPPED', 'STOPPING', 'FATAL', 'UNKNOWN'].includes(process.state) ||
      (process.state === 'EXITED' && !(group.mayExit && process.exitStatus === 0)),
  );
  return down.length === 0 ? [] : [{ kind: 'start', group, states: down.map((process) => process.state) }];
}

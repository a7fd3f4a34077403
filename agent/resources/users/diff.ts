import type { UserRecord } from '../../host/accounts/port.ts';
import { homeOf, passwordField, shellOf, wantsHome } from './derived.ts';
import type { Modification, UserChange, UserSpec, UserState } from './state.ts';

export function diff(spec: UserSpec, state: UserState): readonly UserChange[] {
  const { name } = spec;
  const { record } = state;
  if (spec.ensure === 'absent') {
    if (record === undefined) return [];
    return [{ type: 'remove', name, uid: record.uid, removeHome: spec.remove_home, processes: state.processes }];
  }
  const modifications = record === undefined ? [] : modificationsOf(spec, state, record);
  return [
    ...(record === undefined ? [{ type: 'create', spec } as const] : []),
    ...(modifications.length > 0 ? [{ type: 'modify', name, modifications } as const] : []),
    ...passwordChanges(spec, state),
    ...(wantsHome(spec) && !state.hasHome ? [{ type: 'home', name, path: homeOf(spec, record) } as const] : []),
  ];
}

function modificationsOf(spec: UserSpec, state: UserState, record: UserRecord): readonly Modification[] {
  const { uid, group, home, comment } = spec;
  const shell = spec.shell ?? record.shell;
  const modifications: Modification[] = [];
  function set(option: string, value: string, text: string): void {
    modifications.push({ argv: [option, value], text });
  }
  if (uid !== undefined && uid !== record.uid) set('--uid', String(uid), `uid ${uid} (is ${record.uid})`);
  // A group that is not there yet differs, too: usermod then says that it is missing.
  if (group !== undefined && state.wantedGid !== record.gid)
    set('--gid', group, `group ${group} (is gid ${record.gid})`);
  if (home !== undefined && home !== record.home) set('--home', home, `home ${home} (is ${record.home})`);
  if (shell !== record.shell) set('--shell', shell, `shell ${shell} (is ${record.shell})`);
  if (comment !== undefined && comment !== record.comment) {
    set('--comment', comment, `comment "${comment}" (is "${record.comment}")`);
  }
  if (spec.groups !== undefined && !sameNames(spec.groups, state.groups)) {
    const is = state.groups.length === 0 ? 'none' : state.groups.join(', ');
    set('--groups', spec.groups.join(','), `groups ${spec.groups.join(', ') || 'none'} (is ${is})`);
  }
  return modifications;
}

function passwordChanges(spec: UserSpec, state: UserState): readonly UserChange[] {
  const field = passwordField(spec);
  const isNew = state.record === undefined;
  if (field !== undefined)
    return isNew || state.password === 'differs' ? [{ type: 'password', name: spec.name, field }] : [];
  // A new user has no password, which is locked.
  return state.password === 'notLocked' ? [{ type: 'lock', name: spec.name }] : [];
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  const left = new Set(a);
  return left.size === new Set(b).size && b.every((name) => left.has(name));
}

/** The options of `useradd` for a user that is not there. Pure. */
export function creationArguments(spec: UserSpec, primaryGroupExists: boolean): readonly string[] {
  const primary = spec.group ?? spec.name;
  return [
    '--home-dir',
    homeOf(spec, undefined),
    '--no-create-home',
    '--shell',
    shellOf(spec),
    ...(spec.uid === undefined ? [] : ['--uid', String(spec.uid)]),
    ...(spec.group !== undefined || primaryGroupExists ? ['--gid', primary] : ['--user-group']),
    ...(spec.groups === undefined || spec.groups.length === 0 ? [] : ['--groups', spec.groups.join(',')]),
    ...(spec.comment === undefined ? [] : ['--comment', spec.comment]),
    ...(spec.system ? ['--system'] : []),
    '--',
    spec.name,
  ];
}

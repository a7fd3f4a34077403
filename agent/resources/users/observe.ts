import { reveal } from '../../../desired-state/schema/secret.ts';
import type { HostReader } from '../../host/host.ts';
import { homeOf, passwordField } from './derived.ts';
import type { UserSpec, UserState } from './state.ts';

export async function observe(spec: UserSpec, host: HostReader): Promise<UserState> {
  const { accounts } = host;
  const record = await accounts.user(spec.name);
  const leaves = spec.ensure === 'absent' && record !== undefined;
  return {
    record,
    groups: spec.groups === undefined || record === undefined ? [] : await accounts.groupsOf(spec.name),
    wantedGid: spec.group === undefined ? undefined : (await accounts.group(spec.group))?.gid,
    password: record === undefined ? 'asDeclared' : await comparePassword(spec, host),
    hasHome: (await host.files.statTarget(homeOf(spec, record)))?.type === 'directory',
    processes: leaves ? await processesOf(record.uid, host) : [],
  };
}

async function comparePassword(spec: UserSpec, { accounts }: HostReader): Promise<UserState['password']> {
  const wanted = passwordField(spec);
  if (wanted !== undefined) {
    return (await accounts.passwordHash(spec.name)) === reveal(wanted) ? 'asDeclared' : 'differs';
  }
  if (spec.locked !== true) return 'asDeclared';
  return (await accounts.passwordState(spec.name)) === 'locked' ? 'asDeclared' : 'notLocked';
}

async function processesOf(uid: number, { processes }: HostReader): Promise<readonly string[]> {
  return (await processes.list())
    .filter((one) => one.uid === uid && one.state !== 'Z')
    .map(({ name, pid }) => `${name} (${pid})`);
}

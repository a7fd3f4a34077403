import type { AccountReader } from '../../host/accounts/port.ts';
import type { FileStat, Ownership } from '../../host/files/port.ts';

/** Owner and group as a manifest names them: names, or ids as digits. */
export interface OwnerNames {
  readonly owner: string;
  readonly group: string;
}

/** The ids of the names on this host; `undefined` for an account that is not there yet. */
export interface OwnerIds {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

const ROOT: Promise<OwnerIds> = Promise.resolve({ uid: 0, gid: 0 });

/** Most files are root's, which needs no look. */
export function lookUpOwner(accounts: AccountReader, names: OwnerNames): Promise<OwnerIds> {
  return names.owner === 'root' && names.group === 'root' ? ROOT : lookUpNames(accounts, names);
}

async function lookUpNames(accounts: AccountReader, { owner, group }: OwnerNames): Promise<OwnerIds> {
  return {
    uid: numericId(owner) ?? (await accounts.user(owner))?.uid,
    gid: numericId(group) ?? (await accounts.group(group))?.gid,
  };
}

/** For an apply: an account that is still missing is an error that says which. */
export async function resolveOwner(
  accounts: AccountReader,
  names: OwnerNames,
  path: string,
): Promise<{ readonly uid: number; readonly gid: number }> {
  const { uid, gid } = await lookUpOwner(accounts, names);
  if (uid === undefined) throw missing('user', names.owner, path);
  if (gid === undefined) throw missing('group', names.group, path);
  return { uid, gid };
}

function missing(what: 'user' | 'group', name: string, path: string): Error {
  return new Error(
    `${path} shall belong to the ${what} ${name}, which this host does not have: declare ${what}s/${name}`,
  );
}

/** Root is 0 on every Linux, which saves most files two look-ups. */
function numericId(name: string): number | undefined {
  if (name === 'root') return 0;
  return /^\d+$/.test(name) ? Number(name) : undefined;
}

export type OwnedMode = OwnerNames & { readonly mode: number };

/** What of owner, group and mode differs, in words: `owner todo (is uid 0)`. Empty where nothing does. */
export function ownershipDifferences(wanted: OwnedMode, ids: OwnerIds, stat: Ownership): readonly string[] {
  if (ids.uid === stat.uid && ids.gid === stat.gid && wanted.mode === stat.mode) return [];
  return [
    ...(ids.uid === stat.uid ? [] : [`owner ${wanted.owner} (is uid ${stat.uid})`]),
    ...(ids.gid === stat.gid ? [] : [`group ${wanted.group} (is gid ${stat.gid})`]),
    ...(wanted.mode === stat.mode ? [] : [`mode ${octal(wanted.mode)} (is ${octal(stat.mode)})`]),
  ];
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** The accounts and the directories that have to be there first. */
export function ownershipRequires(path: string, names: OwnerNames): readonly { kind: string; name: string }[] {
  return [
    ...(numericId(names.owner) === undefined ? [{ kind: 'users', name: names.owner }] : []),
    ...(numericId(names.group) === undefined ? [{ kind: 'groups', name: names.group }] : []),
    ...ancestors(path).flatMap((name) => [
      { kind: 'directories', name },
      { kind: 'symlinks', name },
    ]),
  ];
}

function ancestors(path: string): readonly string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}

/** Words for what stands at a path: `a symlink`, `a directory`. */
export function typeText(stat: FileStat): string {
  if (stat.type.endsWith('Device')) return 'a device';
  return stat.type === 'fifo' ? 'a FIFO' : `a ${stat.type}`;
}

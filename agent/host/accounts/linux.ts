import type { FileReader, FileStat } from '../files/port.ts';
import type { AccountReader, GroupRecord, UserRecord } from './port.ts';

/** Reads the account files themselves; name services such as LDAP are not asked, because the agent cannot change them. */
export function linuxAccounts(files: FileReader): AccountReader {
  const users = remembered(files, '/etc/passwd', (text) => index(text, parseUser, (user) => user.uid));
  const groups = remembered(files, '/etc/group', (text) => index(text, parseGroup, (group) => group.gid));
  const shadow = remembered(files, '/etc/shadow', parseShadow);
  return {
    user: async (name) => (await users()).byName.get(name),
    userById: async (uid) => (await users()).byId.get(uid),
    group: async (name) => (await groups()).byName.get(name),
    groupById: async (gid) => (await groups()).byId.get(gid),
    groupsOf: async (user) =>
      [...(await groups()).byName.values()].filter((group) => group.members.includes(user)).map((group) => group.name),
    usersOfPrimaryGroup: async (gid) =>
      [...(await users()).byName.values()].filter((user) => user.gid === gid).map((user) => user.name),
    passwordState: async (user) => (await shadow()).get(user),
    passwordHash: async (user) => {
      const line = (await files.readText('/etc/shadow'))?.split('\n').find((text) => text.startsWith(`${user}:`));
      return line?.split(':')[1];
    },
  };
}

interface Index<T> {
  readonly byName: ReadonlyMap<string, T>;
  readonly byId: ReadonlyMap<number, T>;
}

/** Parses again only when the file is another one: the account tools replace it by rename, so the inode alone tells. */
function remembered<T>(files: FileReader, path: string, parse: (text: string) => T): () => Promise<T> {
  let last: { readonly stat: FileStat | undefined; readonly value: T } | undefined;
  return async () => {
    const stat = await files.statTarget(path);
    if (last !== undefined && unchanged(last.stat, stat)) return last.value;
    const value = parse((await files.readText(path)) ?? '');
    last = { stat, value };
    return value;
  };
}

function unchanged(a: FileStat | undefined, b: FileStat | undefined): boolean {
  return (
    a?.inode === b?.inode &&
    a?.ctime_ms === b?.ctime_ms &&
    a?.mtime_ms === b?.mtime_ms &&
    a?.size_bytes === b?.size_bytes
  );
}

function index<T extends { readonly name: string }>(
  text: string,
  parse: (fields: readonly string[]) => T | undefined,
  idOf: (record: T) => number,
): Index<T> {
  const byName = new Map<string, T>();
  const byId = new Map<number, T>();
  for (const line of text.split('\n')) {
    const record = parse(line.split(':'));
    if (record === undefined) continue;
    // The first line with an id or a name wins, as in the C library.
    if (!byName.has(record.name)) byName.set(record.name, record);
    if (!byId.has(idOf(record))) byId.set(idOf(record), record);
  }
  return { byName, byId };
}

function parseUser(fields: readonly string[]): UserRecord | undefined {
  const [name, , uid, gid, comment = '', home = '', shell = ''] = fields;
  if (name === undefined || uid === undefined || gid === undefined || !isId(uid) || !isId(gid)) return undefined;
  return { name, uid: Number(uid), gid: Number(gid), comment, home, shell };
}

function parseGroup(fields: readonly string[]): GroupRecord | undefined {
  const [name, , gid, members = ''] = fields;
  if (name === undefined || gid === undefined || !isId(gid)) return undefined;
  return { name, gid: Number(gid), members: members.split(',').filter((member) => member !== '') };
}

function parseShadow(text: string): ReadonlyMap<string, 'locked' | 'set' | 'empty'> {
  const states = new Map<string, 'locked' | 'set' | 'empty'>();
  for (const line of text.split('\n')) {
    const [name, password] = line.split(':');
    if (name === undefined || password === undefined) continue;
    states.set(name, password === '' ? 'empty' : /^[!*]/.test(password) ? 'locked' : 'set');
  }
  return states;
}

function isId(text: string): boolean {
  return /^\d+$/.test(text);
}

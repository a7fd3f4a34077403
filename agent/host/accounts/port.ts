export interface UserRecord {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly comment: string;
  readonly home: string;
  readonly shell: string;
}

export interface GroupRecord {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** `/etc/passwd` and `/etc/group`, remembered while the files do not change. */
export interface AccountReader {
  user(name: string): Promise<UserRecord | undefined>;
  userById(uid: number): Promise<UserRecord | undefined>;
  group(name: string): Promise<GroupRecord | undefined>;
  groupById(gid: number): Promise<GroupRecord | undefined>;
  /** Names of all groups that list the user as a member, without its primary group. */
  groupsOf(user: string): Promise<readonly string[]>;
  /** Names of the users whose primary group it is. */
  usersOfPrimaryGroup(gid: number): Promise<readonly string[]>;
  /** `locked`: the password field of `/etc/shadow` starts with `!` or `*`. `undefined` where there is no such user. */
  passwordState(user: string): Promise<'locked' | 'set' | 'empty' | undefined>;
  /** The password field of `/etc/shadow` as it stands there. Secret: it never leaves `observe` but as a comparison. */
  passwordHash(user: string): Promise<string | undefined>;
}

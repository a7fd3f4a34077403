/** PostgreSQL's access control lists as `aclitem[]` prints them: a grantee, `=`, letters, a slash and who granted it. Pure. */

export interface AclItem {
  /** `public` for every role. */
  readonly grantee: string;
  /** Privilege → may it be passed on. */
  readonly privileges: ReadonlyMap<string, boolean>;
}

/** `pg_default_acl.defaclobjtype` and `acldefault` use these letters too, but for sequences. */
export type ObjectType = 'database' | 'schema' | 'table' | 'sequence' | 'function' | 'type';

const LETTERS: Readonly<Record<string, string>> = {
  r: 'SELECT',
  a: 'INSERT',
  w: 'UPDATE',
  d: 'DELETE',
  D: 'TRUNCATE',
  x: 'REFERENCES',
  t: 'TRIGGER',
  m: 'MAINTAIN',
  U: 'USAGE',
  C: 'CREATE',
  c: 'CONNECT',
  T: 'TEMPORARY',
  X: 'EXECUTE',
};

/** What `ALL` stands for. */
const ALL: Readonly<Record<ObjectType, readonly string[]>> = {
  database: ['CREATE', 'CONNECT', 'TEMPORARY'],
  schema: ['USAGE', 'CREATE'],
  table: ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'],
  sequence: ['USAGE', 'SELECT', 'UPDATE'],
  function: ['EXECUTE'],
  type: ['USAGE'],
};

/** MAINTAIN came with PostgreSQL 17. */
const MAINTAIN_SINCE = 170_000;

export function expandPrivileges(listed: readonly string[], type: ObjectType, version: number): readonly string[] {
  if (!listed.includes('ALL')) return listed;
  return type === 'table' && version >= MAINTAIN_SINCE ? [...ALL.table, 'MAINTAIN'] : ALL[type];
}

export function parseAcl(items: readonly string[]): readonly AclItem[] {
  return items.flatMap((item) => {
    const match = /^("(?:[^"]|"")*"|[^"=]*)=([A-Za-z*]*)\//.exec(item);
    if (match === null) return [];
    return [{ grantee: granteeName(match[1] ?? ''), privileges: privilegesOf(match[2] ?? '') }];
  });
}

function granteeName(text: string): string {
  if (text === '') return 'public';
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
}

function privilegesOf(letters: string): ReadonlyMap<string, boolean> {
  const found = [...letters.matchAll(/([A-Za-z])(\*?)/g)];
  return new Map(
    found.flatMap(([, letter = '', star]) => {
      const privilege = LETTERS[letter];
      return privilege === undefined ? [] : [[privilege, star === '*'] as const];
    }),
  );
}

/** What a grantee holds, whoever granted it. */
export function heldBy(acl: readonly AclItem[], name: string): ReadonlyMap<string, boolean> {
  const held = new Map<string, boolean>();
  for (const item of acl.filter(({ grantee }) => grantee === name)) {
    for (const [privilege, option] of item.privileges) held.set(privilege, option || held.get(privilege) === true);
  }
  return held;
}

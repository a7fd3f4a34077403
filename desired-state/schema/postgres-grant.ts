import * as v from 'valibot';
import { databaseName, ensure, namesOf } from './postgres-names.ts';

const PRIVILEGES =
  'select insert update delete truncate references trigger maintain usage create connect temporary execute'.split(' ');

/** `ALL`, one privilege or a list, in any case. Output: upper case, `['ALL']` for all. */
const privileges = v.pipe(
  v.union([v.string(), v.array(v.string())], 'expected ALL or a list of privileges'),
  v.transform((input) => (typeof input === 'string' ? input.split(',') : input).map(normal)),
  v.check((list) => list.length > 0, 'expected at least one privilege'),
  v.check(
    (list) => list.every((name) => PRIVILEGES.includes(name.toLowerCase()) || (name === 'ALL' && list.length === 1)),
    `expected ALL, or privileges out of ${PRIVILEGES.join(', ')}`,
  ),
);

function normal(privilege: string): string {
  const upper = privilege.trim().toUpperCase();
  if (upper === 'ALL PRIVILEGES') return 'ALL';
  return upper === 'TEMP' ? 'TEMPORARY' : upper;
}

const objects = v.pipe(namesOf, v.minLength(1, 'expected at least one name'));

/** Objects of one database. Exactly one of table, sequence, function, or a schema alone; nothing at all is the database. */
export const selector = v.pipe(
  v.strictObject({
    schema: v.pipe(
      v.optional(databaseName),
      v.description('Alone: the schema itself. With another key: where those objects are. Default: public'),
    ),
    table: v.pipe(
      v.optional(objects),
      v.description('Tables and views; "*" is all of the schema; `schema.name` works'),
    ),
    sequence: v.pipe(v.optional(objects), v.description('Sequences; "*" is all of the schema')),
    function: v.pipe(v.optional(objects), v.description('Functions such as `f(integer)`; "*" is all of the schema')),
  }),
  v.check(
    (on) => [on.table, on.sequence, on.function].filter((key) => key !== undefined).length <= 1,
    'expected one of table, sequence and function',
  ),
);
export type Selector = v.InferOutput<typeof selector>;

const common = {
  to: v.pipe(objects, v.description('Roles; `public` is every role')),
  privileges: v.pipe(privileges, v.description('`ALL` or a list such as `[select, insert]`')),
  grant_option: v.pipe(
    v.optional(v.boolean('expected true or false'), false),
    v.description('May pass the privileges on'),
  ),
  ensure: v.pipe(v.optional(ensure, 'present'), v.description('`absent` revokes the privileges')),
  exact: v.pipe(
    v.optional(v.boolean('expected true or false'), false),
    v.description('Revokes every other privilege of these roles on these objects'),
  ),
};

export const grant = v.strictObject({
  ...common,
  on: v.pipe(v.optional(selector, {}), v.description('On what. Default: the database itself')),
});
export type GrantSpec = v.InferOutput<typeof grant>;

const DEFAULT_OBJECTS = ['tables', 'sequences', 'functions', 'types', 'schemas'] as const;

/** What objects get that a role creates in the future. */
export const defaultPrivilege = v.pipe(
  v.strictObject({
    ...common,
    owner: v.pipe(databaseName, v.description('The role whose future objects these are')),
    schema: v.pipe(v.optional(databaseName), v.description('Only in this schema. Default: everywhere')),
    on: v.pipe(
      v.picklist(DEFAULT_OBJECTS, `expected one of ${DEFAULT_OBJECTS.join(', ')}`),
      v.description('The sort of objects'),
    ),
  }),
  v.check((entry) => entry.on !== 'schemas' || entry.schema === undefined, 'schemas are not in a schema'),
);
export type DefaultPrivilegeSpec = v.InferOutput<typeof defaultPrivilege>;

export const ownership = v.strictObject({
  owner: v.pipe(databaseName, v.description('The role that shall own them')),
  on: v.pipe(selector, v.description('What it shall own')),
});

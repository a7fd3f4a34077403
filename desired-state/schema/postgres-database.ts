import * as v from 'valibot';
import { defaultPrivilege, grant, ownership } from './postgres-grant.ts';
import { connectionLimit, databaseName, ensure, settingValue } from './postgres-names.ts';

const locale = v.pipe(
  v.string('expected a locale such as en_US.UTF-8'),
  v.regex(/^[A-Za-z0-9_.@-]+$/, 'expected a locale such as en_US.UTF-8'),
);

const extension = v.union(
  [
    v.pipe(
      v.picklist(['present', 'absent']),
      v.transform((word) => ({ ensure: word })),
    ),
    v.strictObject({
      ensure: v.pipe(v.optional(ensure, 'present'), v.description('`absent` drops the extension')),
      version: v.pipe(
        v.optional(v.string('expected a version in quotes such as "1.6"')),
        v.description('`latest`, or a version. Default: any'),
      ),
      schema: v.pipe(v.optional(databaseName), v.description('Where its objects are')),
    }),
  ],
  'expected present, absent, or a map with version and schema',
);

const schemaEntry = v.union(
  [
    v.pipe(
      v.picklist(['present', 'absent']),
      v.transform((word) => ({ ensure: word })),
    ),
    v.strictObject({
      ensure: v.pipe(v.optional(ensure, 'present'), v.description('`absent` drops the schema where it is empty')),
      owner: v.pipe(v.optional(databaseName), v.description('The role that owns it')),
    }),
  ],
  'expected present, absent, or a map with owner',
);

/** The type with its constraints, as in CREATE TABLE: `bigint primary key`. */
const columnType = v.pipe(
  v.string('expected a column type such as "text not null"'),
  v.check((text) => text.trim() !== '' && !text.includes(';'), 'expected a column type such as "text not null"'),
);

const table = v.strictObject({
  owner: v.pipe(v.optional(databaseName), v.description('The role that owns it')),
  columns: v.pipe(
    v.record(databaseName, columnType),
    v.description('Created or added where missing; an existing column is never changed or dropped'),
  ),
});

export const database = v.pipe(
  v.strictObject({
    ensure: v.pipe(v.optional(ensure, 'present'), v.description('`absent` needs `force: true`')),
    force: v.pipe(
      v.optional(v.boolean('expected true or false'), false),
      v.description('With `ensure: absent`: drop the database with its data and end its connections'),
    ),
    owner: v.pipe(v.optional(databaseName), v.description('The role that owns it')),
    encoding: v.pipe(
      v.optional(v.string('expected an encoding such as UTF8')),
      v.description('Fixed when the database is made. Default for a new one: UTF8'),
    ),
    locale: v.pipe(v.optional(locale), v.description('Collation and character classes; fixed when it is made')),
    lc_collate: v.pipe(v.optional(locale), v.description('Instead of `locale`, the collation alone')),
    lc_ctype: v.pipe(v.optional(locale), v.description('Instead of `locale`, the character classes alone')),
    template: v.pipe(v.optional(databaseName), v.description('What a new one is copied from. Default: template0')),
    connection_limit: v.pipe(v.optional(connectionLimit), v.description('-1 is no limit, 0 lets nobody in')),
    settings: v.pipe(
      v.optional(v.record(v.string(), settingValue)),
      v.description('Settings of its sessions; others are reset. Left alone where this is not given'),
    ),
    extensions: v.pipe(v.optional(v.record(databaseName, extension), {}), v.description('By name')),
    schemas: v.pipe(v.optional(v.record(databaseName, schemaEntry), {}), v.description('By name')),
    tables: v.pipe(v.optional(v.record(databaseName, table), {}), v.description('By name, or `schema.name`')),
    ownership: v.pipe(v.optional(v.array(ownership), []), v.description('Who owns what is there')),
    grants: v.pipe(v.optional(v.array(grant), []), v.description('Privileges on what is there')),
    default_privileges: v.pipe(
      v.optional(v.array(defaultPrivilege), []),
      v.description('Privileges on what will be made'),
    ),
  }),
  v.check((spec) => spec.ensure === 'present' || spec.force, 'removing a database loses its data: say `force: true`'),
);

export type DatabaseSpec = v.InferOutput<typeof database>;
export type TableSpec = v.InferOutput<typeof table>;

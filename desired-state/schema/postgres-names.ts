import * as v from 'valibot';

/** NAMEDATALEN - 1: the server would cut a longer name without an error, and never find it again. */
export const MAX_NAME_BYTES = 63;

/** A name as PostgreSQL stores it, without quotes: hyphens, dots, capitals and quotes are fine. */
export const databaseName = v.pipe(
  v.string('expected a name'),
  v.check((name) => name !== '' && !name.includes('\0'), 'expected a name that is not empty'),
  v.check((name) => Buffer.byteLength(name) <= MAX_NAME_BYTES, `expected a name of at most ${MAX_NAME_BYTES} bytes`),
);

/** The name of a role that can be created: PostgreSQL keeps `pg_…` and `public` for itself. */
export const roleName = v.pipe(
  databaseName,
  v.check((name) => !name.startsWith('pg_'), 'role names that begin with pg_ belong to PostgreSQL'),
  v.check((name) => name.toLowerCase() !== 'public', '"public" is every role and cannot be one'),
);

/** A name or a list of names. Output: a list. */
export const namesOf = v.pipe(
  v.union([databaseName, v.array(databaseName)], 'expected a name or a list of names'),
  v.transform((names) => (typeof names === 'string' ? [names] : names)),
);

/** The value of a server setting, as `postgresql.conf` takes it; a list for settings that are lists. */
export const settingValue = v.union(
  [v.string(), v.number(), v.boolean(), v.array(v.string())],
  'expected text, a number, true, false, or a list of texts',
);
export type SettingValue = v.InferOutput<typeof settingValue>;

/** -1 is no limit; 0 lets nobody in. */
export const connectionLimit = v.pipe(
  v.number('expected a whole number'),
  v.integer('expected a whole number'),
  v.minValue(-1, 'expected -1 (no limit), 0 or more'),
);

export const ensure = v.picklist(['present', 'absent'], 'expected "present" or "absent"');

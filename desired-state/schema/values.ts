import * as v from 'valibot';
import { type MaybeSecret, Secret } from './secret.ts';

/** Building blocks that several kinds share. Messages say what was expected; the compiler adds file, line and column. */

/** Text written in clear, or `!secret NAME`, or a template with a secret in it. */
export const secretText = v.custom<MaybeSecret>(
  (input) => typeof input === 'string' || input instanceof Secret,
  'expected text or !secret NAME',
);

export const absolutePath = v.pipe(
  v.string('expected an absolute path'),
  v.regex(/^\/(?!.*\/\.\.?(?:\/|$))[^\0]*$/, 'expected an absolute path without "." or ".." parts'),
);

/** An absolute path that is written in only one way, so that two names never mean one file. Not `/` itself. */
export const normalPath = v.pipe(
  v.string('expected an absolute path'),
  v.regex(
    /^(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)+$/,
    'expected an absolute path without "." or ".." parts, double slashes or a slash at its end',
  ),
);

/** File mode as four octal digits in quotes (`"0644"`), or as YAML writes octal (`0o644`). Output: a number. */
export const fileMode = v.pipe(
  v.union([v.string(), v.number()], 'expected a file mode such as "0644"'),
  v.check(
    (mode) =>
      typeof mode === 'number' ? Number.isInteger(mode) && mode >= 0 && mode <= 0o7777 : /^[0-7]{3,4}$/.test(mode),
    'expected a file mode such as "0644"',
  ),
  v.metadata({ octal: true }),
  v.transform((mode) => (typeof mode === 'number' ? mode : Number.parseInt(mode, 8))),
);

/**
 * Put into the pipe of a value that takes addresses: the compiler replaces the text `hosts.<role>` there by the list of
 * the addresses of that role's hosts (inside of a list: by its items). The schema itself sees only the addresses.
 */
export const takesAddresses = <Input>() => v.metadata<Input, { readonly addresses: true }>({ addresses: true });

/** A user or group name as Debian's adduser accepts it, or a numeric id as text. */
export const accountName = v.pipe(
  v.string('expected a user or group name'),
  v.regex(
    /^(?:[a-z_][a-z0-9_-]{0,30}\$?|\d{1,10})$/,
    'expected a user or group name (lower-case letters, digits, _ and -)',
  ),
);

/** A name under which an account can be made: no digits alone, which would look like an id. */
export const newAccountName = v.pipe(
  v.string('expected a user or group name'),
  v.regex(
    /^[a-z_][a-z0-9_-]{0,30}\$?$/,
    'expected a user or group name (lower-case letters, digits, _ and -; at most 32 characters)',
  ),
);

/** A uid or gid; the highest two have meanings of their own to the kernel. */
export const accountId = v.pipe(
  v.number('expected a numeric id'),
  v.integer('expected a numeric id'),
  v.minValue(0, 'expected a numeric id from 0'),
  v.maxValue(4_294_967_293, 'expected a numeric id up to 4294967293'),
);

export const positiveInteger = v.pipe(
  v.number('expected a whole number'),
  v.integer('expected a whole number'),
  v.minValue(1, 'expected a whole number of at least 1'),
);
/** `90s`, `15m`, `2h`, `7d`. Output: milliseconds. */
export const duration = v.pipe(
  v.string('expected a duration such as "90s", "15m", "2h" or "7d"'),
  v.regex(/^\d+(?:ms|s|m|h|d)$/, 'expected a duration such as "90s", "15m", "2h" or "7d"'),
  v.transform(parseDuration),
);

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a duration text that the schema has already checked. */
export function parseDuration(text: string): number {
  const unit = text.replace(/^\d+/, '');
  return Number.parseInt(text, 10) * (UNIT_MS[unit] ?? Number.NaN);
}

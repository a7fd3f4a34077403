import * as v from 'valibot';

/** Entries per page, unless told, and at most. */
const USUAL = 50;
export const MOST_PER_PAGE = 500;

const BAD_LIMIT = `expected a number from 1 to ${MOST_PER_PAGE}`;

/** `?limit=` of a list. */
export const limitSchema = v.optional(
  v.pipe(
    v.string(BAD_LIMIT),
    v.regex(/^\d{1,3}$/, BAD_LIMIT),
    v.transform(Number),
    v.minValue(1, BAD_LIMIT),
    v.maxValue(MOST_PER_PAGE, BAD_LIMIT),
  ),
  String(USUAL),
);

/** The id of an entry as a path or a cursor has it. */
export const idSchema = v.pipe(
  v.string('expected a number'),
  v.regex(/^\d{1,15}$/, 'expected a number, such as "next" of the page before'),
  v.transform(Number),
);

/** `?limit=&cursor=` of a list by id, the newest first. */
export const pageSchema = { limit: limitSchema, cursor: v.optional(idSchema) };

/** `next`, where there is a next page: the `cursor` for it. Ask the store for one entry more than the page holds. */
export function pageOf<T>(
  found: readonly T[],
  limit: number,
  cursorOf: (last: T) => string,
): { readonly page: readonly T[]; readonly next?: string } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return found.length <= limit || last === undefined ? { page } : { page, next: cursorOf(last) };
}

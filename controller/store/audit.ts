import type { Kysely } from 'kysely';
import * as v from 'valibot';
import type { Tables } from './tables.ts';

/** What somebody did, or was refused. */
export interface AuditRow {
  readonly id: number;
  readonly at_ms: number;
  /** See `AuditTable`. */
  readonly actor: string;
  readonly address?: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

const detailSchema = v.pipe(v.string(), v.parseJson(), v.record(v.string(), v.unknown()));

/** Newest first. `before`: an id; entries that are older. */
export async function listAudit(
  db: Kysely<Tables>,
  filter: {
    readonly actor?: string;
    readonly action?: string;
    readonly subject?: string;
    readonly before?: number;
    readonly limit: number;
  },
): Promise<readonly AuditRow[]> {
  let query = db.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(filter.limit);
  for (const column of ['actor', 'action', 'subject'] as const) {
    const wanted = filter[column];
    if (wanted !== undefined) query = query.where(column, '=', wanted);
  }
  if (filter.before !== undefined) query = query.where('id', '<', filter.before);
  return (await query.execute()).map(({ address, detail, ...row }) => ({
    ...row,
    ...(address === null ? {} : { address }),
    detail: v.parse(detailSchema, detail),
  }));
}

/** Drops up to `most` entries that are older, or more than `entries`. Returns how many it were. */
export async function dropAudit(
  db: Kysely<Tables>,
  keep: { readonly after_ms: number; readonly entries: number },
  most: number,
): Promise<number> {
  const oldest = db.selectFrom('audit').select('id').orderBy('id').limit(most);
  const aged = oldest.where('at_ms', '<', keep.after_ms);
  const { numDeletedRows } = await db.deleteFrom('audit').where('id', 'in', aged).executeTakeFirst();
  if (numDeletedRows > 0n) return Number(numDeletedRows);
  const { id: newestSurplus } =
    (await db
      .selectFrom('audit')
      .select('id')
      .orderBy('id', 'desc')
      .offset(keep.entries)
      .limit(1)
      .executeTakeFirst()) ?? {};
  if (newestSurplus === undefined) return 0;
  const surplus = oldest.where('id', '<=', newestSurplus);
  return Number((await db.deleteFrom('audit').where('id', 'in', surplus).executeTakeFirst()).numDeletedRows);
}

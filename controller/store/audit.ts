import type { Kysely } from 'kysely';
import * as v from 'valibot';
import { plain } from './plain.ts';
import type { Tables } from './tables.ts';

/** What somebody did, or was refused. */
export interface AuditEntry {
  readonly at_ms: number;
  /** See `AuditTable`. */
  readonly actor: string;
  readonly address?: string | undefined;
  readonly action: string;
  readonly subject: string;
  /** Never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

export interface AuditRow extends AuditEntry {
  readonly id: number;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** So that nobody can fill the store with it. */
const DETAIL_CHARACTERS = 8000;

const detailSchema = v.pipe(v.string(), v.parseJson(), v.record(v.string(), v.unknown()));

/** Within a transaction, the entry is there exactly when what it tells of is. */
export async function recordAudit(db: Kysely<Tables>, entry: AuditEntry): Promise<void> {
  const detail = JSON.stringify(entry.detail ?? {});
  await db
    .insertInto('audit')
    .values({
      at_ms: entry.at_ms,
      actor: plain(entry.actor),
      address: entry.address === undefined ? null : plain(entry.address),
      action: plain(entry.action),
      subject: plain(entry.subject),
      detail: detail.length > DETAIL_CHARACTERS ? '{"cut":true}' : detail,
    })
    .execute();
}

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

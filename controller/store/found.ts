import type { Kysely } from 'kysely';
import * as v from 'valibot';
import type { Compilation, PendingHost } from '../compile/compile.ts';
import type { Tables } from './tables.ts';

const foundSchema = v.object({
  revision: v.string(),
  hosts: v.array(v.string()),
  pending: v.array(v.object({ host: v.string(), reasons: v.array(v.string()) })),
  asked: v.array(v.tuple([v.string(), v.array(v.string())])),
});

/**
 * What the compilation of the revision that was brought last has found beside the manifests, for controllers that have not
 * made it. In the store it is one value, which the next revision takes the place of.
 */
export interface Found {
  readonly revision: string;
  /** All that it names. */
  readonly hosts: readonly string[];
  readonly pending: readonly PendingHost[];
  /** Hosts whose addresses some manifest is made of, or waits for, with those that it was compiled with. */
  readonly asked: ReadonlyMap<string, readonly string[]>;
}

const FOUND = 'compilation.found';

/** For who begins to bring the revision within the same transaction: nobody knows of the one without the other. */
export async function keepFound(
  db: Kysely<Tables>,
  { revision, hosts, pending, asked }: Pick<Compilation, 'revision' | 'hosts' | 'pending' | 'asked'>,
): Promise<void> {
  const value = JSON.stringify({
    revision,
    hosts: [...hosts.keys(), ...pending.keys()],
    pending: [...pending.values()],
    asked: [...asked],
  });
  await db
    .insertInto('settings')
    .values({ name: FOUND, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}

/** `undefined` where another revision was brought last, or where that was by an earlier release. */
export async function readFound(db: Kysely<Tables>, revision: string): Promise<Found | undefined> {
  const row = await db.selectFrom('settings').select('value').where('name', '=', FOUND).executeTakeFirst();
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), foundSchema), row?.value);
  if (!parsed.success || parsed.output.revision !== revision) return undefined;
  return { ...parsed.output, asked: new Map(parsed.output.asked) };
}

import { type Kysely, type Selectable, sql } from 'kysely';
import * as v from 'valibot';
import { batchesOf } from './batches.ts';
import type { Sealer } from './sealed.ts';
import type { ServedTable, Tables } from './tables.ts';

/** A manifest without its text, which holds secrets and is large: it is read when a host asks for it. */
export interface ManifestFacts {
  readonly host: string;
  readonly etag: string;
  /** The first revision that means this. */
  readonly revision: string;
  readonly sequence: number;
  readonly environment: string;
  readonly roles: readonly string[];
  readonly resources: number;
}

export interface Manifest extends ManifestFacts {
  /** JSON, with the secrets in clear, packed by `pack`. */
  readonly packed: Buffer;
}

/** What a host gets now. */
export interface ServedManifest extends ManifestFacts {
  /** The newest revision that means this for the host. */
  readonly newestRevision: string;
  readonly since_ms: number;
}

/** Whatever part of a `Store` keeps manifests; within a transaction, `db` is the transaction. */
export interface ManifestStore {
  readonly db: Kysely<Tables>;
  readonly sealer: Sealer;
}

const rolesSchema = v.pipe(v.string(), v.parseJson(), v.array(v.string()));

/** Keeps manifests, sealed; one that is kept already stays as it is, and is as safe from retention as a new one. */
export async function saveManifests(
  { db, sealer }: ManifestStore,
  manifests: readonly Manifest[],
  now_ms: number,
): Promise<void> {
  for (const batch of batchesOf(manifests, 20)) {
    const rows = batch.map(({ packed, roles, ...facts }) => ({
      ...facts,
      roles: JSON.stringify(roles),
      sealed: sealer.sealPacked(packed, placeOf(facts)),
      made_ms: now_ms,
    }));
    const insert = db.insertInto('manifests').values(rows);
    await insert
      .onConflict((conflict) => conflict.columns(['host', 'etag']).doUpdateSet({ made_ms: now_ms }))
      .execute();
  }
}

type ManifestName = Pick<ManifestFacts, 'host' | 'etag'>;

/**
 * The text of a manifest, packed by gzip; `undefined` where it is not kept. Throws when it was sealed with another key or
 * damaged.
 */
export async function packedManifest(
  { db, sealer }: ManifestStore,
  manifest: ManifestName,
): Promise<Buffer | undefined> {
  const sealed = (await sealedManifests(db, [manifest])).get(manifest);
  return sealed && openManifest(sealer, manifest, sealed);
}

/** The text of a manifest, packed by gzip. Throws when it was sealed with another key or damaged. */
export function openManifest(sealer: Sealer, manifest: ManifestName, sealed: Uint8Array): Buffer {
  return sealer.openPacked(sealed, placeOf(manifest));
}

/** As many as one statement names. */
export const MOST_NAMED = 200;

/** Manifests that are named: at most `MOST_NAMED`. */
export function named(db: Kysely<Tables>, names: readonly ManifestName[]) {
  const pairs = names.map(({ host, etag }) => sql`(${host}, ${etag})`);
  // Both databases call the columns so, and look each pair up by the table's key.
  const values = sql<{ column1: string; column2: string }>`(values ${sql.join(pairs)})`;
  return db
    .selectFrom('manifests')
    .innerJoin(values.as('named'), (join) =>
      join.onRef('named.column1', '=', 'manifests.host').onRef('named.column2', '=', 'manifests.etag'),
    );
}

/** Manifests as they are kept, by what was asked for: at most `MOST_NAMED`. */
export async function sealedManifests<Name extends ManifestName>(
  db: Kysely<Tables>,
  names: readonly Name[],
): Promise<ReadonlyMap<Name, Uint8Array>> {
  const rows = await named(db, names).select(['host', 'etag', 'sealed']).execute();
  const found = new Map(rows.map(({ sealed, ...name }) => [placeOf(name), sealed]));
  return new Map(
    names.flatMap((name) => {
      const sealed = found.get(placeOf(name));
      return sealed === undefined ? [] : [[name, sealed] as const];
    }),
  );
}

/** What hosts get now: all of them, or those that are named. */
export async function loadServed(db: Kysely<Tables>, hosts?: readonly string[]): Promise<readonly ServedManifest[]> {
  const query = db
    .selectFrom('served')
    .innerJoin('manifests', (join) =>
      join.onRef('manifests.host', '=', 'served.host').onRef('manifests.etag', '=', 'served.etag'),
    )
    .select(['served.host', 'served.etag', 'served.revision as newestRevision', 'served.since_ms'])
    .select(['manifests.revision', 'manifests.sequence', 'manifests.environment'])
    .select(['manifests.roles', 'manifests.resources']);
  const rows = [];
  if (hosts === undefined) rows.push(...(await query.execute()));
  else {
    for (const batch of batchesOf(hosts)) rows.push(...(await query.where('served.host', 'in', batch).execute()));
  }
  // Thousands of hosts have a few sets of roles.
  const known = new Map<string, readonly string[]>();
  const rolesOf = (text: string): readonly string[] => {
    const roles = known.get(text) ?? v.parse(rolesSchema, text);
    known.set(text, roles);
    return roles;
  };
  return rows.map((row) => ({ ...row, roles: rolesOf(row.roles) }));
}

/** Gives hosts manifests that are kept already; see `saveManifests`. Follow it by `publish('served', …)`. */
export async function serve(db: Kysely<Tables>, rows: readonly Selectable<ServedTable>[]): Promise<void> {
  // In one order everywhere, so that two controllers that do the same wait for each other instead of both failing.
  for (const batch of batchesOf(rows.toSorted((a, b) => (a.host < b.host ? -1 : 1)))) {
    await db
      .insertInto('served')
      .values(batch)
      .onConflict((conflict) =>
        conflict.column('host').doUpdateSet((set) => ({
          etag: set.ref('excluded.etag'),
          revision: set.ref('excluded.revision'),
          since_ms: set.ref('excluded.since_ms'),
        })),
      )
      .execute();
  }
}

/** These hosts get nothing any more. */
export async function serveNoMore(db: Kysely<Tables>, hosts: readonly string[]): Promise<void> {
  for (const batch of batchesOf(hosts.toSorted())) await db.deleteFrom('served').where('host', 'in', batch).execute();
}

/**
 * Drops up to `most` manifests that were made before and that no host gets, now or from a rollout that goes on. Returns
 * how many it were.
 */
export async function dropManifests(db: Kysely<Tables>, before_ms: number, most: number): Promise<number> {
  const unused = await db
    .selectFrom('manifests')
    .select(['host', 'etag'])
    .where('made_ms', '<', before_ms)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('served')
            .select('served.host')
            .whereRef('served.host', '=', 'manifests.host')
            .whereRef('served.etag', '=', 'manifests.etag'),
        ),
      ),
    )
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('rollout_hosts')
            .innerJoin('rollouts', 'rollouts.id', 'rollout_hosts.rollout')
            .select('rollout_hosts.host')
            .whereRef('rollout_hosts.host', '=', 'manifests.host')
            .where((row) =>
              row.or([
                row('rollout_hosts.etag', '=', row.ref('manifests.etag')),
                // What a host has to get back when the rollout is taken back.
                row('rollout_hosts.previous', '=', row.ref('manifests.etag')),
              ]),
            )
            .where('rollouts.state', 'in', ['running', 'frozen', 'paused']),
        ),
      ),
    )
    .orderBy('made_ms')
    .limit(most)
    .execute();
  for (const { host, etag } of unused) {
    const query = db.deleteFrom('manifests').where('host', '=', host).where('etag', '=', etag);
    // One that was saved again meanwhile stays.
    await query.where('made_ms', '<', before_ms).execute();
  }
  return unused.length;
}

export function placeOf({ host, etag }: { readonly host: string; readonly etag: string }): string {
  return `manifest ${host} ${etag}`;
}

import type { Kysely } from 'kysely';
import { unpack } from '../packing.ts';
import { batchesOf } from '../store/batches.ts';
import type { Sealer } from '../store/sealed.ts';
import { type ManifestFacts, MOST_NAMED, named, packedManifest, placeOf, serve } from '../store/served-tables.ts';
import type { Tables } from '../store/tables.ts';

/** A host that is to get a manifest that is kept already. */
export interface Gift {
  readonly host: string;
  readonly etag: string;
  /** The newest revision that means this for the host; default: that of the manifest. */
  readonly revision?: string;
  /** Of what the host was given before; what it gets next must have a higher one. */
  readonly after: number;
}

/**
 * Gives hosts manifests; within a transaction. An agent believes only what has a higher sequence than what it runs: a
 * manifest that comes back after another one gets a new sequence. Returns the highest that was given.
 */
export async function give(
  { db, sealer }: { readonly db: Kysely<Tables>; readonly sealer: Sealer },
  gifts: readonly Gift[],
  now_ms: number,
): Promise<void> {
  const kept = await sequencesOf(db, gifts);
  const rows = [];
  for (const { host, etag, revision, after } of gifts) {
    const manifest = kept.get(`${host} ${etag}`);
    if (manifest === undefined) throw new Error(`the manifest ${etag} of ${host} is not kept any more: push again`);
    if (manifest.sequence <= after) {
      await raise({ db, sealer }, { host, etag }, Math.max(after + 1, Math.floor(now_ms / 1000)), now_ms);
    }
    rows.push({ host, etag, revision: revision ?? manifest.revision, since_ms: now_ms });
  }
  await serve(db, rows);
}

async function sequencesOf(
  db: Kysely<Tables>,
  gifts: readonly Gift[],
): Promise<ReadonlyMap<string, Pick<ManifestFacts, 'revision' | 'sequence'>>> {
  const kept = new Map<string, Pick<ManifestFacts, 'revision' | 'sequence'>>();
  for (const batch of batchesOf(gifts, MOST_NAMED)) {
    const rows = await named(db, batch).select(['host', 'etag', 'revision', 'sequence']).execute();
    for (const { host, etag, ...row } of rows) kept.set(`${host} ${etag}`, row);
  }
  return kept;
}

async function raise(
  store: { readonly db: Kysely<Tables>; readonly sealer: Sealer },
  manifest: { readonly host: string; readonly etag: string },
  sequence: number,
  now_ms: number,
): Promise<void> {
  const packed = await packedManifest(store, manifest);
  if (packed === undefined) throw new Error(`the manifest ${manifest.etag} of ${manifest.host} is not kept any more`);
  const sealed = store.sealer.seal(withSequence(unpack(packed), sequence), placeOf(manifest));
  await store.db
    .updateTable('manifests')
    .set({ sequence, sealed, made_ms: now_ms })
    .where('host', '=', manifest.host)
    .where('etag', '=', manifest.etag)
    .execute();
}

/** The same manifest with another sequence. */
export function withSequence(text: string, sequence: number): string {
  // Quotation marks inside of texts are escaped in JSON, so this is the key itself.
  const replaced = text.replace(/,"sequence":\d+,"resources":\[/, `,"sequence":${sequence},"resources":[`);
  if (replaced !== text || text.includes(`,"sequence":${sequence},"resources":[`)) return replaced;
  return JSON.stringify({ ...JSON.parse(text), sequence });
}

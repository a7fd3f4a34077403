import type { CompiledHost } from '../compile/compile.ts';
import { pack, unpack } from '../packing.ts';
import { batchesOf } from '../store/batches.ts';
import { saveManifests } from '../store/served-tables.ts';
import { withSequence } from './give.ts';
import type { Parts } from './parts.ts';

export interface Revision {
  readonly revision: string;
  readonly sequence: number;
  /** The sequence that the texts were compiled with: nearly always that which the revision has got since. */
  readonly compiledWith: number;
}

/** Keeps the manifests of hosts, so that each can be given its own in its turn. */
export async function keepManifests(
  { store, now_ms }: Pick<Parts, 'store' | 'now_ms'>,
  hosts: readonly CompiledHost[],
  { revision, sequence, compiledWith }: Revision,
): Promise<void> {
  // Each transaction waits for the disk; a single one would keep everything else waiting.
  for (const batch of batchesOf(hosts)) {
    const manifests = batch.map(({ host, etag, environment, roles, resources, packed }) => ({
      host,
      etag,
      environment,
      roles,
      resources,
      revision,
      sequence,
      packed: sequence === compiledWith ? packed : pack(withSequence(unpack(packed), sequence)),
    }));
    await store.db.transaction().execute((db) => saveManifests({ db, sealer: store.sealer }, manifests, now_ms()));
  }
}

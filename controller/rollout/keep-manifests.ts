import type { CompiledHost } from '../compile/compile.ts';
import { batchesOf } from '../store/batches.ts';
import { saveManifests } from '../store/served-tables.ts';
import { withSequence } from './give.ts';
import type { Parts } from './parts.ts';

/** Keeps the manifests of hosts, so that each can be given its own in its turn. */
export async function keepManifests(
  { store, now_ms }: Pick<Parts, 'store' | 'now_ms'>,
  hosts: readonly CompiledHost[],
  { revision, sequence }: { readonly revision: string; readonly sequence: number },
): Promise<void> {
  // Each transaction waits for the disk; a single one would keep everything else waiting.
  for (const batch of batchesOf(hosts)) {
    const manifests = batch.map(({ host, etag, environment, roles, resources, text }) => ({
      host,
      etag,
      environment,
      roles,
      resources,
      revision,
      sequence,
      text: withSequence(text, sequence),
    }));
    await store.db.transaction().execute((db) => saveManifests({ db, sealer: store.sealer }, manifests, now_ms()));
  }
}

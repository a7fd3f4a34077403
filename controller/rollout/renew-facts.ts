import type { Compilation } from '../compile/compile.ts';
import { give } from './give.ts';
import { keepManifests } from './keep-manifests.ts';
import { keepUp } from './keep-up.ts';
import type { Parts } from './parts.ts';
import { Conflict, updateHosts, updateRollout } from './rows.ts';

/**
 * Other facts (addresses) give the manifests of a revision another text: hosts that have the revision get it at once,
 * hosts that wait for it will get it in their turn. A host that never had a manifest gets its first one.
 */
export async function renewFacts(parts: Parts, compilation: Compilation): Promise<void> {
  const { serving, store, known, now_ms, changed } = parts;
  const { revision } = compilation;
  await keepUp(parts);
  const { current } = known;
  const given = [...compilation.hosts.values()].filter((compiled) => {
    const served = serving.get(compiled.host);
    const row = known.rowOf(compiled.host, revision);
    if (served === undefined) return row === undefined || row.state !== 'waiting';
    return served.newestRevision === revision && served.etag !== compiled.etag;
  });
  const waiting = [...compilation.hosts.values()].filter((compiled) => {
    const row = known.rowOf(compiled.host, revision);
    return row !== undefined && row.etag !== compiled.etag;
  });
  const sequence = Math.max(serving.sequence + 1, Math.floor(now_ms() / 1000));
  const kept = [...new Set([...given, ...waiting])];
  await keepManifests(parts, kept, { revision, sequence, compiledWith: compilation.sequence });
  await store.db.transaction().execute(async (db) => {
    await give(
      { db, sealer: store.sealer },
      given.map(({ host, etag }) => ({ host, etag, revision, after: serving.get(host)?.sequence ?? 0 })),
      now_ms(),
    );
    if (waiting.length === 0 || current === undefined) return;
    const { id, version, state, why } = current.rollout;
    // Nothing of it changes but the etags; the version makes everybody read them.
    const same = { state, why, ended_ms: null, now_ms: now_ms() };
    if (!(await updateRollout(db, { id, version }, same))) throw new Conflict('the rollout has gone on meanwhile');
    await updateHosts(
      db,
      { id, version },
      waiting.map(({ host, etag }) => ({ host, etag })),
    );
  });
  if (given.length > 0) await serving.renew(given.map(({ host }) => host));
  if (waiting.length > 0) await changed();
}

import type { FileReader, FileStat } from '../../host/files/port.ts';
import { Stalled } from '../../resource.ts';
import type { OwnerIds } from '../shared/ownership.ts';
import type { DirectorySpec, Stray } from './state.ts';

/** 20 000 entries take about 0.2 s to walk, on every run: more than that does not belong under `recurse`. */
const MAX_ENTRIES = 20_000;

/** Walks the tree without following links or entering other file systems, and leaves out what `keep` names. */
export async function findStrays(
  spec: DirectorySpec,
  top: FileStat,
  ids: OwnerIds,
  files: FileReader,
): Promise<readonly Stray[]> {
  const kept = new Set(spec.keep);
  const strays: Stray[] = [];
  const pending: string[] = [''];
  let entries = 0;
  for (let below = pending.pop(); below !== undefined; below = pending.pop()) {
    for (const name of (await files.list(spec.name + (below && `/${below}`))) ?? []) {
      const relative = below === '' ? name : `${below}/${name}`;
      if (kept.has(relative)) continue;
      entries += 1;
      if (entries > MAX_ENTRIES) {
        throw new Stalled(
          `there are more than ${MAX_ENTRIES} entries below ${spec.name}: set "recurse" on smaller directories, or name the large ones in "keep"`,
        );
      }
      const path = `${spec.name}/${relative}`;
      const stat = await files.stat(path);
      if (stat === undefined || stat.device !== top.device) continue;
      const mode = wantedMode(spec, ids, stat);
      if (stat.uid !== ids.uid || stat.gid !== ids.gid || stat.mode !== mode) strays.push({ path, stat, mode });
      if (stat.type === 'directory') pending.push(relative);
    }
  }
  return strays;
}

/** Where the mode is not managed it stays; but nobody gets somebody else's setuid program. Pure. */
export function wantedMode(spec: Pick<DirectorySpec, 'recurse'>, ids: OwnerIds, stat: FileStat): number {
  if (stat.type === 'directory') return spec.recurse?.directories ?? stat.mode;
  if (stat.type !== 'file') return stat.mode;
  const changesHands = stat.uid !== ids.uid || stat.gid !== ids.gid;
  return spec.recurse?.files ?? (changesHands ? stat.mode & 0o1777 : stat.mode);
}

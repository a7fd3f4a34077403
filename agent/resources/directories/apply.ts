import { posix } from 'node:path';
import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { removeSeen } from '../shared/in-the-way.ts';
import { resolveOwner } from '../shared/ownership.ts';
import type { DirectoryChange } from './state.ts';

export async function apply(change: DirectoryChange, host: Host): Promise<void> {
  const { path } = change;
  switch (change.type) {
    case 'make': {
      const ids = await resolveOwner(host.accounts, change.owned, path);
      if (change.seen !== undefined) await host.files.remove(path, { expecting: change.seen });
      await host.files.makeDirectory(path, { ...ids, mode: change.owned.mode });
      return;
    }
    case 'attributes': {
      const ids = await resolveOwner(host.accounts, change.owned, path);
      await host.files.setOwnership(path, { ...ids, mode: change.owned.mode }, { expecting: change.seen });
      return;
    }
    case 'own': {
      const ids = await resolveOwner(host.accounts, change.owned, path);
      for (const { path: stray, stat, mode } of change.strays) {
        if (stat.type === 'symlink') await host.files.setOwner(stray, ids.uid, ids.gid);
        else await host.files.setOwnership(stray, { ...ids, mode }, { expecting: stat });
      }
      return;
    }
    case 'purge':
      for (const { name, stat, inhabited } of change.entries) {
        await removeSeen(host.files, { path: posix.join(path, name), seen: stat, force: inhabited });
      }
      return;
    case 'remove':
      await removeSeen(host.files, change);
      return;
    case 'refuse':
      throw new Stalled(change.reason);
  }
}

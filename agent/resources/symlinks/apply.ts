import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { removeSeen } from '../shared/in-the-way.ts';
import { resolveOwner } from '../shared/ownership.ts';
import type { SymlinkChange } from './state.ts';

export async function apply(change: SymlinkChange, host: Host): Promise<void> {
  const { path } = change;
  switch (change.type) {
    case 'link': {
      const { seen } = change;
      const ids = await resolveOwner(host.accounts, change.owned, path);
      // A rename cannot replace a directory.
      if (seen?.type === 'directory') await removeSeen(host.files, { path, seen, force: change.force });
      const expecting = seen === undefined || seen.type === 'directory' ? 'nothing' : seen;
      await host.files.link(path, change.target, ids, { expecting });
      return;
    }
    case 'remove':
      await removeSeen(host.files, change);
      return;
    case 'refuse':
      throw new Stalled(change.reason);
  }
}

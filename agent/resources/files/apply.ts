import { reveal } from '../../../desired-state/schema/secret.ts';
import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { removeSeen } from '../shared/in-the-way.ts';
import { resolveOwner } from '../shared/ownership.ts';
import type { FileChange } from './state.ts';

export async function apply(change: FileChange, host: Host): Promise<void> {
  const { path } = change;
  switch (change.type) {
    case 'write': {
      const { owned, seen } = change;
      const ids = await resolveOwner(host.accounts, owned, path);
      // A rename cannot replace a directory.
      if (seen?.type === 'directory') await removeSeen(host.files, { path, seen, force: change.force });
      const expecting = seen === undefined || seen.type === 'directory' ? 'nothing' : seen;
      await host.files.write(path, reveal(change.content), { ...ids, mode: owned.mode }, { expecting });
      return;
    }
    case 'attributes': {
      const ids = await resolveOwner(host.accounts, change.owned, path);
      await host.files.setOwnership(path, { ...ids, mode: change.owned.mode }, { expecting: change.seen });
      return;
    }
    case 'remove':
      await removeSeen(host.files, change);
      return;
    case 'refuse':
      throw new Stalled(change.reason);
  }
}

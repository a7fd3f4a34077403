import { dirname, join } from 'node:path';
import { reveal } from '../../../desired-state/schema/secret.ts';
import type { Host } from '../../host/host.ts';
import { activate, refuseMissingNginx } from './activate.ts';
import type { Activation, Edit, NginxChange, Owners } from './diff.ts';
import { SHADOW, TREE } from './layout.ts';
import { fingerprint, testTree } from './shadow.ts';

const ROOT = { uid: 0, gid: 0 };

export async function apply(change: NginxChange, host: Host): Promise<void> {
  switch (change.type) {
    case 'clean':
      return host.files.removeTree(SHADOW);
    case 'unmask':
      return host.systemd.unmask('nginx');
    case 'enable':
      return host.systemd.enable('nginx');
    case 'activate':
      await refuseMissingNginx(host);
      await testTree(host, TREE, change.owners);
      return activate(change.activation, host, change.owners);
    case 'swap':
      await refuseMissingNginx(host);
      return swap(change, host);
  }
}

/**
 * A copy of the whole tree gets the edits and is tested at the very path where nginx will read it; then the two trees
 * change places in one step of the kernel. So whenever this is killed there is a tree in place that nginx loads, and
 * a reload that is owed shows in the ages of its files.
 */
async function swap(
  change: { readonly edits: readonly Edit[]; readonly activation: Activation; readonly owners: Owners },
  host: Host,
): Promise<void> {
  await host.files.removeTree(SHADOW);
  try {
    const before = await fingerprint(host.files, TREE);
    await host.files.copyTree(TREE, SHADOW);
    for (const edit of change.edits) await perform(edit, host);
    await testTree(host, SHADOW, change.owners);
    if ((await fingerprint(host.files, TREE)) !== before) {
      throw new Error(`${TREE} was changed by somebody else while its new state was tested; the next run looks again`);
    }
    await host.files.exchange(TREE, SHADOW);
    if (change.activation !== 'none') await activateOrRestore(change.activation, host, change.owners);
  } finally {
    await host.files.removeTree(SHADOW);
  }
}

/** The master keeps its old workers when it refuses a configuration, so that the old tree is what runs again. */
async function activateOrRestore(activation: 'start' | 'reload', host: Host, owners: Owners): Promise<void> {
  try {
    await activate(activation, host, owners);
  } catch (error) {
    await host.files.exchange(TREE, SHADOW);
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the new tree was tested but could not be put to work, so the old one is back: ${reason}`, {
      cause: error,
    });
  }
}

async function perform(edit: Edit, host: Host): Promise<void> {
  const path = join(SHADOW, edit.path);
  // A folder in the way is removed with all that is in it, as a plan with `replace … (is a directory)` says.
  if (edit.found.type === 'other') await host.files.removeTree(path);
  const parent = dirname(path);
  if ((await host.files.stat(parent)) === undefined) await host.files.makeDirectory(parent, { ...ROOT, mode: 0o755 });
  if (edit.type === 'write') await host.files.write(path, reveal(edit.content), { ...ROOT, mode: edit.mode });
  else if (edit.type === 'link') await host.files.link(path, edit.target);
  else await host.files.remove(path);
}

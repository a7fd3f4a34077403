import { dirname } from 'node:path';
import { reveal } from '../../../desired-state/schema/secret.ts';
import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { creationArguments } from './diff.ts';
import type { UserChange } from './state.ts';

const SKELETON = '/etc/skel';
const HOME_MODE = 0o700;

export async function apply(change: UserChange, host: Host): Promise<void> {
  switch (change.type) {
    case 'create': {
      const { spec } = change;
      const group = await host.accounts.group(spec.group ?? spec.name);
      await host.run({ argv: ['useradd', ...creationArguments(spec, group !== undefined)] });
      return;
    }
    case 'modify':
      await host.run({ argv: ['usermod', ...change.modifications.flatMap(({ argv }) => argv), '--', change.name] });
      return;
    case 'password':
      // By standard input: a command line can be read by every user of the host.
      await host.run({ argv: ['chpasswd', '--encrypted'], input: `${change.name}:${reveal(change.field)}\n` });
      return;
    case 'lock':
      await host.run({ argv: ['usermod', '--lock', '--', change.name] });
      return;
    case 'home':
      await makeHome(change, host);
      return;
    case 'remove':
      await remove(change, host);
  }
}

/** Built beside its place and renamed, so that a home that is there is whole and belongs to its user. */
async function makeHome({ name, path }: { readonly name: string; readonly path: string }, host: Host): Promise<void> {
  const { files, accounts } = host;
  const user = await accounts.user(name);
  if (user === undefined) throw new Error(`the user ${name} is gone`);
  const aside = `${dirname(path).replace(/\/$/, '')}/.holdfast-home-${name}`;
  await files.removeTree(aside);
  if ((await files.statTarget(SKELETON))?.type === 'directory') await files.copyTree(SKELETON, aside);
  else await files.makeDirectory(aside, { uid: 0, gid: 0, mode: HOME_MODE });
  await giveAway(aside, user, host);
  await files.setOwnership(aside, { uid: user.uid, gid: user.gid, mode: HOME_MODE });
  await files.rename(aside, path);
}

async function giveAway(
  directory: string,
  user: { readonly uid: number; readonly gid: number },
  host: Host,
): Promise<void> {
  for (const name of (await host.files.list(directory)) ?? []) {
    const path = `${directory}/${name}`;
    await host.files.setOwner(path, user.uid, user.gid);
    if ((await host.files.stat(path))?.type === 'directory') await giveAway(path, user, host);
  }
}

async function remove(change: Extract<UserChange, { type: 'remove' }>, host: Host): Promise<void> {
  const { name, processes } = change;
  if (change.uid === 0) throw new Stalled(`${name} has uid 0: the agent does not remove the administrator`);
  if (processes.length > 0) {
    throw new Error(
      `the user ${name} is not removed while its processes run: ${processes.slice(0, 10).join(', ')}; stop them first`,
    );
  }
  await host.run({ argv: ['userdel', ...(change.removeHome ? ['--remove'] : []), '--', name] });
}

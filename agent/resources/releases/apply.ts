import { join } from 'node:path';
import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { resolveOwner } from '../shared/ownership.ts';
import { startDaemon } from '../shared/supervisor-daemon.ts';
import { deploy, rollBack } from './deploy.ts';
import { type Change, diff } from './diff.ts';
import { layoutOf, releaseName, type Spec } from './layout.ts';
import type { LayoutProblem } from './layout-problems.ts';
import { observe } from './observe.ts';
import { endOrphanedBuilds } from './orphans.ts';
import { pointLinks, removeSlot, runSlot } from './slots.ts';

export async function apply(change: Change, host: Host): Promise<void> {
  switch (change.kind) {
    case 'layout':
      return setUpLayout(change.spec, change.problems, host);
    case 'deploy':
      await deploy(change.spec, change.commit, host);
      return tidyUp(change.spec, host);
    case 'rollback':
      return rollBack(change.spec, change.bad, change.to, host);
    case 'start':
      await startDaemon(host);
      return runSlot(change.spec, change.colour, host);
    case 'links':
      return pointLinks(change.spec, change.colour, change.trees, host);
    case 'drain':
      return removeSlot(change.spec, change.colour, host);
    case 'prune':
      return prune(change.spec, change.trees, host);
    case 'refused':
      throw new Stalled(
        `${releaseName(change.commit)} is in quarantine until the branch or the manifest changes; ${change.running} keeps running: ${change.reason}`,
      );
  }
}

/** What only shows once a release was switched: a slot left over, trees that are no longer kept. */
async function tidyUp(spec: Spec, host: Host): Promise<void> {
  for (const change of diff(spec, await observe(spec, host))) {
    if (change.kind === 'drain' || change.kind === 'prune' || change.kind === 'layout') await apply(change, host);
  }
}

async function setUpLayout(spec: Spec, problems: readonly LayoutProblem[], host: Host): Promise<void> {
  const layout = layoutOf(spec);
  for (const { path, type, mode } of problems) {
    const owner = await resolveOwner(host.accounts, { owner: layout.user, group: layout.group }, path);
    const stat = await host.files.stat(path);
    if (stat !== undefined && stat.type !== type) {
      throw new Error(`${path} is a ${stat.type} where a ${type} belongs: move it away`);
    }
    if (stat === undefined && type === 'directory') await host.files.makeDirectory(path, { ...owner, mode });
    else if (stat === undefined) await host.files.write(path, '', { ...owner, mode });
    else {
      await host.files.setOwner(path, owner.uid, owner.gid);
      await host.files.setMode(path, mode);
    }
  }
}

/** The seal goes first: a tree without one is unfinished, and removed by whoever comes next. */
async function prune(spec: Spec, trees: readonly string[], host: Host): Promise<void> {
  const layout = layoutOf(spec);
  await endOrphanedBuilds(layout, host);
  for (const tree of trees) {
    await host.files.removeTree(join(layout.state, 'seals', tree));
    await host.files.removeTree(join(layout.directory, tree));
  }
}

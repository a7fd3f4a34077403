/** What it costs to find that nothing is to be done: Holdfast beside Ansible, Puppet and CFEngine on the same host. */
import { type Figure, lineOf } from '../figure.ts';
import type { Progress, Settings } from '../settings.ts';
import { measureDeployment } from './deployment.ts';
import { measureBesidePeers } from './peers.ts';

export const about = 'no-op runs of a converged host';

export async function measure(settings: Settings, progress: Progress): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  const add = (more: readonly Figure[]): void => {
    figures.push(...more);
    for (const figure of more) progress(lineOf(figure));
  };
  await measureDeployment(settings, progress, add);
  await measureBesidePeers(settings, progress, add);
  return figures;
}

/** What it costs to find that nothing is to be done: Holdfast beside Ansible, Puppet and CFEngine on the same host. */
import type { Figure } from '../figure.ts';
import type { Progress, Settings } from '../settings.ts';
import { deploymentFigures } from './deployment.ts';
import { peersFigures } from './peers.ts';

export const about = 'no-op runs of a converged host';

export async function measure(settings: Settings, progress: Progress): Promise<readonly Figure[]> {
  const deployment = await deploymentFigures(settings, progress);
  const beside = await peersFigures(settings, progress);
  return [...deployment, ...beside];
}

/** The reference deployment: what its agent costs when there is nothing to do. */
import { deployedHost } from '../deployment/host.ts';
import type { Figure } from '../figure.ts';
import type { Progress, Settings } from '../settings.ts';
import { coldFigures, memoryFigures, startedAndWarm, warmFigures } from './holdfast.ts';

const OF = 'web+db deployment';

export async function deploymentFigures(settings: Settings, progress: Progress): Promise<readonly Figure[]> {
  progress(`converging the ${OF}`);
  const daemon = await deployedHost();
  await using _host = daemon.host;
  progress(`${OF}: holdfast`);
  const cold = await coldFigures(daemon, { of: OF, runs: settings.cold_runs, promised: true });
  const warm = await startedAndWarm(daemon, settings, progress);
  progress(`${OF}: memory of the idle daemon`);
  return [...cold, ...warmFigures(OF, warm, true), ...(await memoryFigures(OF, daemon, settings.idle_s))];
}

/** The reference deployment: what its agent costs when there is nothing to do. */
import { deployedHost } from '../deployment/host.ts';
import type { AddFigures } from '../figure.ts';
import type { Progress, Settings } from '../settings.ts';
import { coldFigures, memoryFigures, startedAndWarm, warmFigures } from './holdfast.ts';

const OF = 'web+db deployment';

export async function measureDeployment(settings: Settings, progress: Progress, add: AddFigures): Promise<void> {
  progress(`converging the ${OF}`);
  const daemon = await deployedHost();
  await using _host = daemon.host;
  progress(`${OF}: holdfast`);
  add(await coldFigures(daemon, { of: OF, runs: settings.cold_runs, promised: true }));
  add(warmFigures(OF, await startedAndWarm(daemon, settings, progress), true));
  progress(`${OF}: memory of the idle daemon`);
  add(await memoryFigures(OF, daemon, settings.idle_s));
}

/** The peers' stack of about 40 resources, converged by Ansible, and then looked at by each tool; again with 500 more files. */
import { DaemonOnHost } from '../../test/agent/daemon-on-host.ts';
import { type AgentOnHost, differences } from '../../test/conformance/agent-on-host.ts';
import { type AddFigures, type Figure, figureOf } from '../figure.ts';
import { measureRuns } from '../measured-run.ts';
import { joined, scaleSections, stackSections } from '../peers/holdfast.ts';
import { type Peer, peers, runPeer, startConvergedHost } from '../peers/host.ts';
import type { Progress, Settings } from '../settings.ts';
import { coldFigures, FLOORS, memoryFigures, startedAndWarm, warmFigures } from './holdfast.ts';

export async function measureBesidePeers(settings: Settings, progress: Progress, add: AddFigures): Promise<void> {
  await using host = await startConvergedHost(progress);
  const ansible = peers.find(({ name }) => name === 'ansible');
  const measurePeers = async (of: string, runs: number, scaled: boolean): Promise<void> => {
    if (runs === 0) return;
    for (const peer of peers) {
      progress(`${of}: ${peer.name}`);
      // Each has small tastes of its own, but for Ansible, which has converged the host.
      if (peer !== ansible) await runPeer(host, peer, scaled);
      add(await peerFigures(host, peer, { of, runs, scaled }));
    }
  };

  const stack = await stackSections(host);
  await measurePeers('stack', settings.peer_runs, false);
  const daemon = await DaemonOnHost.install(host);
  await daemon.agent.writeManifest(stack);
  await mustConverge(daemon.agent);
  progress('stack: holdfast');
  add(await coldFigures(daemon, { of: 'stack', runs: settings.cold_runs, promised: true }));
  const warm = await startedAndWarm(daemon, settings, progress);
  add(warmFigures('stack', warm, true));
  progress('stack: memory of the idle daemon');
  add(await memoryFigures('stack', daemon, settings.idle_s));
  await host.mustExec(['systemctl', 'stop', 'holdfast-agent']);

  await daemon.agent.writeManifest(joined(stack, scaleSections()));
  await mustConverge(daemon.agent);
  progress('stack + 500 files: holdfast');
  add(await coldFigures(daemon, { of: 'stack + 500 files', runs: settings.cold_runs, promised: false }));
  const scaled = await startedAndWarm(daemon, settings, progress);
  add(warmFigures('stack + 500 files', scaled, false));
  add([
    figureOf({
      name: 'holdfast daemon, what 500 more files add to a warm reconcile',
      unit: 'ms',
      samples: [medianOf(scaled.run_ms) - medianOf(warm.run_ms)],
      below: FLOORS.more_files_ms,
    }),
  ]);
  await host.mustExec(['systemctl', 'stop', 'holdfast-agent']);
  await measurePeers('stack + 500 files', settings.scaled_peer_runs, true);
}

async function peerFigures(
  host: DaemonOnHost['host'],
  peer: Peer,
  { of, runs, scaled }: { readonly of: string; readonly runs: number; readonly scaled: boolean },
): Promise<readonly Figure[]> {
  const { okCodes, trouble, env, cwd } = peer;
  const measured = await measureRuns(host, { argv: peer.argv(scaled), env, cwd, okCodes, trouble }, runs);
  const name = `${of}: ${peer.name}`;
  return [
    figureOf({ name: `${name}, wall`, unit: 's', samples: measured.wall_s }),
    figureOf({ name: `${name}, CPU`, unit: 's', samples: measured.cpu_s }),
    figureOf({ name: `${name}, processes and threads started`, unit: 'count', samples: measured.started }),
    figureOf({ name: `${name}, peak RSS of the largest process`, unit: 'MB', samples: [measured.peak_rss_mb] }),
  ];
}

/** One run may have something to do after another tool has been there; after it nothing may be left. */
async function mustConverge(agent: AgentOnHost): Promise<void> {
  await agent.run();
  const { code, result } = await agent.plan();
  if (code !== 0) throw new Error(`Holdfast does not find the host converged:\n${differences(result).join('\n')}`);
}

function medianOf(samples: readonly number[]): number {
  return figureOf({ name: 'median', unit: 'ms', samples }).median;
}

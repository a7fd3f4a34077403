/** From a blank host with the packages in apt's cache to the peers' stack, by each tool on a host of its own. */
import { DaemonOnHost } from '../../test/agent/daemon-on-host.ts';
import { type Figure, figureOf } from '../figure.ts';
import { measureRuns } from '../measured-run.ts';
import { releaseSections } from '../peers/holdfast.ts';
import { peers, startPeersHost, verifyStack } from '../peers/host.ts';
import type { Progress, Settings } from '../settings.ts';

export const about = 'from blank to converged, packages downloaded, network cut';

/** What names places of a checkout and a virtualenv that are updated in place, which a release is not. */
const OTHER_SHAPE = ['git clean at origin', 'owners', 'supervisor program', 'modes', 'pip'];
/** The same of a release, but for what the application's answer shows by itself. */
const SAME_OF_A_RELEASE = `
test "$(stat -c %a /etc/nginx/ssl/todo.key)" = 600
test "$(stat -L -c %U /srv/todo/current)" = todo
supervisorctl status | grep -q 'todo.*RUNNING'`;
const BLANK = 'from blank';

export async function measure({ peer_runs }: Settings, progress: Progress): Promise<readonly Figure[]> {
  const runs = Array.from({ length: Math.max(peer_runs, 1) }, (_, index) => index + 1);
  const samples = new Map<string, number[]>();
  const add = (tool: string, wall_s: number): void => {
    samples.set(tool, [...(samples.get(tool) ?? []), wall_s]);
    progress(`${tool}: ${wall_s.toFixed(1)} s`);
  };
  // In turns, so that a busy minute of the machine is everybody's.
  for (const run of runs) {
    progress(`round ${run} of ${runs.length}`);
    if (peer_runs > 0) {
      for (const peer of peers) {
        await using host = await startPeersHost(progress);
        const { env, cwd, okCodes, trouble } = peer;
        const { wall_s } = await measureRuns(host, { argv: peer.argv(false), env, cwd, okCodes, trouble }, 1);
        await verifyStack(host);
        add(peer.name, wall_s[0] ?? Number.NaN);
      }
    }
    add('holdfast', await holdfastFromBlank(progress));
  }
  const fastest = Math.min(...peers.flatMap(({ name }) => medianOf(samples.get(name))));
  return [...samples].map(([tool, list]) =>
    figureOf({
      name: `${BLANK}: ${tool}, wall`,
      unit: 's',
      samples: list,
      ...(tool === 'holdfast' && Number.isFinite(fastest) ? { atMost: fastest } : {}),
    }),
  );
}

async function holdfastFromBlank(progress: Progress): Promise<number> {
  await using host = await startPeersHost(progress);
  const { agent } = await DaemonOnHost.install(host);
  await agent.writeManifest(await releaseSections(host));
  const { wall_s } = await measureRuns(host, { argv: ['holdfast-agent', 'run', '--once'] }, 1);
  await verifyStack(host, OTHER_SHAPE);
  await host.sh(SAME_OF_A_RELEASE);
  return wall_s[0] ?? Number.NaN;
}

function medianOf(samples: readonly number[] | undefined): readonly number[] {
  return samples === undefined ? [] : [figureOf({ name: 'median', unit: 's', samples }).median];
}

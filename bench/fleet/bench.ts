/** What a controller bears: thousands of agents at once, with real TLS and the agent's own client, from other processes. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleController } from '../../bootstrap/bundle.ts';
import type { Figure } from '../figure.ts';
import type { Progress, Settings } from '../settings.ts';
import { enrolHosts } from './identities.ts';
import { BenchPostgres, whyNoPostgres } from './postgres.ts';
import { runScenario } from './scenario.ts';

export const about = 'a fleet of simulated agents at one controller, and at two that share PostgreSQL';

export async function measure({ agents }: Settings, progress: Progress): Promise<readonly Figure[]> {
  // What is started here ends with it, by the handlers of "exit".
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-fleet-'));
  try {
    await bundleController(join(folder, 'program'));
    const hosts = Array.from({ length: agents }, (_, index) => `host-${String(index).padStart(5, '0')}`);
    progress(`issues ${agents} certificates`);
    await mkdir(join(folder, 'agents'), { mode: 0o700 });
    const stateDirectory = join(folder, 'authority');
    const certificates = await enrolHosts({ hosts, stateDirectory, folder: join(folder, 'agents') });
    const given = { hosts, folder, certificates, progress };
    const figures = [...(await runScenario({ ...given, name: 'sqlite', controllers: 1 }))];
    const why = whyNoPostgres();
    if (why !== undefined) {
      progress(`two controllers on PostgreSQL are left out: ${why}`);
      return figures;
    }
    await using postgres = await BenchPostgres.start();
    const shared = { ...given, name: 'postgres', controllers: 2, databaseUrl: postgres.url };
    return [...figures, ...(await runScenario(shared))];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

import type { Host } from '../../host/host.ts';
import type { Cluster } from '../../host/postgres/port.ts';

/** Recovery after a crash can take its time. */
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/** Waits until the server takes connections. Rejects with what it says when it does not within 60 s. */
export async function waitUntilReady(cluster: Cluster, host: Host): Promise<void> {
  await until(READY_TIMEOUT_MS, async () => {
    const { state, reason } = await host.postgres.access(await current(cluster, host));
    return state === 'ready' || state === 'refused' ? undefined : `${cluster.unit} takes no connections: ${reason}`;
  });
}

/** A restart may have moved the port or the socket. */
async function current(cluster: Cluster, host: Host): Promise<Cluster> {
  const clusters = await host.postgres.clusters();
  return clusters.find(({ configDirectory }) => configDirectory === cluster.configDirectory) ?? cluster;
}

/** Polls until `problem` has none. Rejects with the last problem. */
export async function until(timeout_ms: number, problem: () => Promise<string | undefined>): Promise<void> {
  const end_ms = Date.now() + timeout_ms;
  for (;;) {
    const found = await problem();
    if (found === undefined) return;
    if (Date.now() >= end_ms) throw new Error(`${found} (after ${timeout_ms / 1000} s)`);
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}

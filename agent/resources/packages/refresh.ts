import type { Host } from '../../host/host.ts';
import { type AptOptions, aptGet, aptProblem } from '../shared/apt.ts';

const UPDATE: AptOptions = { timeout_ms: 600_000 };

/**
 * Fetches the package lists. Resolves to what went wrong, which is an error only to who needs fresh lists: a host without
 * network converges when what it has satisfies the manifest.
 */
export async function refreshLists(host: Host): Promise<string | undefined> {
  const problem = await update(host);
  await host.packages.noteRefresh(problem === undefined ? 'fetched' : 'failed');
  return problem;
}

async function update(host: Host): Promise<string | undefined> {
  try {
    // Without the option, apt calls it a success when a mirror cannot be reached.
    return aptProblem(await aptGet(host.run, ['-o', 'APT::Update::Error-Mode=any', 'update'], UPDATE));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

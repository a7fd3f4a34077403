import { distance } from 'fastest-levenshtein';
import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import type { Step } from './state.ts';

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const SUGGESTIONS = 3;

/** Throws for what is still refused or not found after everything else was done: all of it at once. */
export async function refuseUnknown(
  steps: readonly Step[],
  refreshError: string | undefined,
  host: Host,
): Promise<void> {
  const missing = steps.filter((step) => step.do === 'find');
  const refused = steps.flatMap((step) => (step.do === 'refuse' ? [step.reason] : []));
  if (missing.length > 0 && refreshError !== undefined) {
    // Not final: the lists may know it as soon as they can be fetched.
    throw new Error(
      [...missing.map((step) => step.reason), ...refused, `and the lists could not be fetched: ${refreshError}`].join(
        '\n',
      ),
    );
  }
  const found = missing.length === 0 ? [] : await withSuggestions(missing, host);
  if (found.length + refused.length > 0) throw new Stalled([...found, ...refused].join('\n'));
}

async function withSuggestions(
  missing: readonly { readonly name: string; readonly reason: string }[],
  host: Host,
): Promise<readonly string[]> {
  const { stdout } = await host.probe({ argv: ['apt-cache', 'pkgnames'], maxOutput_bytes: MAX_OUTPUT_BYTES });
  const known = stdout.split('\n').filter((name) => name !== '');
  return missing.map(({ name, reason }) => {
    if (known.includes(name)) return reason;
    const near = known
      .map((other) => ({ other, far: distance(name, other) }))
      .filter(({ far }) => far <= Math.max(1, Math.floor(name.length / 3)))
      .sort((a, b) => a.far - b.far || a.other.localeCompare(b.other))
      .slice(0, SUGGESTIONS)
      .map(({ other }) => other);
    return near.length === 0 ? reason : `${reason}; near are ${near.join(', ')}`;
  });
}

import { parseDuration } from '../../desired-state/schema/values.ts';
import type { ResourceResult } from '../engine/types.ts';
import { defineCommand, EXIT, UsageError } from './command.ts';
import { changeBegins, resourceLines, runSummary } from './run-text.ts';
import { jsonOption, manifestOption, onlyOption, openSession, parseOnly } from './session.ts';

const options = {
  once: { type: 'boolean', help: 'reconcile once and exit (the daemon is "holdfast-agent daemon")' },
  manifest: manifestOption,
  only: onlyOption,
  wait: { type: 'string', value: 'DURATION', help: 'wait so long for another run to end, such as 30s (the default)' },
  json: jsonOption,
} as const;

export const run = defineCommand({
  name: 'run --once',
  summary: 'Makes this host what its manifest says, once.',
  options,
  exitCodes: {
    0: 'converged',
    1: 'something failed, stalled, waits or is blocked',
    75: 'another run changes this host; try again later',
    64: 'wrong usage',
  },
  async run({ once, manifest, only, wait = '30s', json }) {
    if (once !== true) throw new UsageError('run expects --once');
    const wanted = parseOnly(only);
    const session = await openSession({ manifest, lockWait_ms: waitOf(wait) });
    const say = (text: string): void => void process.stdout.write(text);
    const progress =
      json === true
        ? {}
        : {
            onChange: (ref: { kind: string; name: string }, summary: string) =>
              say(changeBegins(ref, summary, process.stdout)),
            onResource: (resource: ResourceResult) => say(resourceLines(resource, process.stdout)),
          };
    const result = await session.engine.reconcile({ ...wanted, ...progress });
    await session.saveRecollection();
    say(json === true ? `${JSON.stringify(result, null, 2)}\n` : runSummary(result, process.stdout));
    return result.resources.every(({ status }) => IN_ORDER.has(status)) ? EXIT.ok : EXIT.failed;
  },
});

/** A resource in mode `report` may differ without anything having gone wrong. */
const IN_ORDER: ReadonlySet<ResourceResult['status']> = new Set(['converged', 'changed', 'drifted']);

function waitOf(text: string): number {
  const wait_ms = /^\d+(?:ms|s|m|h)$/.test(text) ? parseDuration(text) : Number.NaN;
  if (Number.isNaN(wait_ms)) throw new UsageError(`--wait expects a duration such as 30s; got "${text}"`);
  return wait_ms;
}

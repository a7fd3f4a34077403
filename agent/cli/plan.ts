import { defineCommand, EXIT } from './command.ts';
import { planText } from './plan-text.ts';
import { jsonOption, manifestOption, onlyOption, openSession, parseOnly } from './session.ts';

const options = { manifest: manifestOption, only: onlyOption, json: jsonOption };

export const plan = defineCommand({
  name: 'plan',
  summary: 'Shows what differs between this host and its manifest. Changes nothing.',
  options,
  exitCodes: {
    0: 'nothing to change',
    2: 'changes are pending',
    1: 'something could not be looked at',
    64: 'wrong usage',
  },
  async run({ manifest, only, json }) {
    const wanted = parseOnly(only);
    const session = await openSession({ manifest, lockWait_ms: 0 });
    const result = await session.engine.reconcile({ dryRun: true, ...wanted });
    process.stdout.write(json === true ? `${JSON.stringify(result, null, 2)}\n` : planText(result, process.stdout));
    if (result.resources.some(({ status }) => status === 'failed' || status === 'stalled')) return EXIT.failed;
    return result.resources.some(({ changes }) => changes.length > 0) ? EXIT.pending : EXIT.ok;
  },
});

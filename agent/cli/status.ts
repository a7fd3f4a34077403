import { readStatus } from '../daemon/control-client.ts';
import { defineCommand, EXIT } from './command.ts';
import { painter } from './paint.ts';
import { NOT_RUNNING, reach, withDaemon } from './reach.ts';
import { statusText } from './status-text.ts';

export const status = defineCommand({
  name: 'status',
  summary:
    'Shows how this host is: revision, controller, runs, and every resource that is not in order or was changed.',
  options: {
    diff: { type: 'boolean', help: 'show the diffs of changes, too' },
    json: { type: 'boolean', help: 'print all of it as JSON' },
  },
  exitCodes: {
    0: 'converged',
    1: 'not converged: something differs or fails, or no run has ended yet',
    [NOT_RUNNING]: 'the daemon does not run',
    64: 'wrong usage',
  },
  run: ({ diff, json }) =>
    withDaemon(async () => {
      const now = await readStatus(reach);
      process.stdout.write(
        json === true
          ? `${JSON.stringify(now, null, 2)}\n`
          : statusText(now, painter(process.stdout), Date.now(), diff === true ? 'diffs' : 'summary'),
      );
      return now.verdict === 'converged' ? EXIT.ok : EXIT.failed;
    }),
});

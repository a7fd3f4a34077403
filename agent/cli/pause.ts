import { parseDuration } from '../../desired-state/schema/values.ts';
import { command } from '../daemon/control-client.ts';
import type { PauseState } from '../daemon/pause.ts';
import { defineCommand, EXIT, UsageError } from './command.ts';
import { NOT_RUNNING, reach, withDaemon } from './reach.ts';
import { who } from './who.ts';

export const pause = defineCommand({
  name: 'pause --for DURATION --why TEXT',
  summary: 'Stops repairs for a while: the daemon looks and reports, and applies nothing. The pause ends by itself.',
  options: {
    for: { type: 'string', value: 'DURATION', help: 'such as 30m or 2h; at most 7d' },
    why: { type: 'string', value: 'TEXT', help: 'the reason, which the status and the reports show' },
    json: { type: 'boolean', help: 'print the pause as JSON' },
  },
  exitCodes: { 0: 'paused', 1: 'refused', [NOT_RUNNING]: 'the daemon does not run', 64: 'wrong usage' },
  run({ for: duration, why, json }) {
    if (duration === undefined || !/^\d+(?:s|m|h|d)$/.test(duration)) {
      throw new UsageError('pause expects --for with a duration such as 30m or 2h');
    }
    if (why === undefined || why.trim() === '') throw new UsageError('pause expects --why with a reason');
    return withDaemon(async () => {
      const body = { for_ms: parseDuration(duration), why, by: who() };
      const answer = await command<{ pause: PauseState }>(reach, '/pause', body);
      process.stdout.write(
        json === true
          ? `${JSON.stringify(answer.pause, null, 2)}\n`
          : `paused until ${new Date(answer.pause.until_ms).toISOString()}; "holdfast-agent resume" ends it\n`,
      );
      return EXIT.ok;
    });
  },
});

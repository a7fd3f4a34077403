import { command } from '../daemon/control-client.ts';
import type { PauseState } from '../daemon/pause.ts';
import { defineCommand, EXIT } from './command.ts';
import { NOT_RUNNING, reach, withDaemon } from './reach.ts';
import { who } from './who.ts';

export const resume = defineCommand({
  name: 'resume',
  summary: 'Ends a pause: the daemon repairs again, beginning now.',
  options: { json: { type: 'boolean', help: 'print the pause that ended as JSON, or null' } },
  exitCodes: { 0: 'not paused any more', [NOT_RUNNING]: 'the daemon does not run', 64: 'wrong usage' },
  run: ({ json }) =>
    withDaemon(async () => {
      const { ended } = await command<{ ended: PauseState | null }>(reach, '/resume', { by: who() });
      const text = ended === null ? 'there was no pause' : `resumed; it was paused by ${ended.by}: ${ended.why}`;
      process.stdout.write(json === true ? `${JSON.stringify(ended, null, 2)}\n` : `${text}\n`);
      return EXIT.ok;
    }),
});

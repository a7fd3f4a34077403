import { ConfigError } from '../daemon/config.ts';
import { serve } from '../daemon/start.ts';
import { defineCommand, EXIT } from './command.ts';

/** `EX_CONFIG` of sysexits.h: the unit does not restart the daemon then, since only a person can mend it. */
const EX_CONFIG = 78;

export const daemon = defineCommand({
  name: 'daemon',
  summary:
    'Keeps this host what its manifest says, until it is told to stop. systemd starts it: holdfast-agent.service.',
  options: {},
  exitCodes: { 0: 'told to stop', 1: 'it failed', 78: 'the configuration in /etc/holdfast is wrong' },
  async run() {
    try {
      await serve();
      return EXIT.ok;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      process.stderr.write(`holdfast-agent: ${error.message}\n`);
      return EX_CONFIG;
    }
  },
});

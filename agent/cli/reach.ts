import { join } from 'node:path';
import { NotRunning, type Reach } from '../daemon/control-client.ts';
import { runDirectory } from '../paths.ts';

/** What a command exits with when the daemon does not run; the same number as `systemctl status`. */
export const NOT_RUNNING = 3;

const STATUS_PORT = 9475;

export const reach: Reach = { socketPath: join(runDirectory, 'agent.sock'), statusPort: STATUS_PORT };

/** Runs a command against the daemon; says that it does not run by an exit code of its own. */
export async function withDaemon(act: () => Promise<number>): Promise<number> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    process.stderr.write(`holdfast-agent: ${error.message}\n`);
    return NOT_RUNNING;
  }
}

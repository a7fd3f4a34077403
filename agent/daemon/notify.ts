import { writeSync } from 'node:fs';

/**
 * Tells systemd how we are. Node cannot open a unix datagram socket, so the launcher in the unit's `ExecStart` opens and
 * connects one and then becomes Node (`exec`); we write to the descriptor that it left. See docs/adr/0005.
 */
export interface Notifier {
  ready(): void;
  status(text: string): void;
  stopping(): void;
  /** Half of what systemd waits for between two of these; `undefined` where it does not wait for any. */
  readonly watchdogEvery_ms: number | undefined;
  watchdog(): void;
}

const MAX_STATUS_CHARACTERS = 200;

export function createNotifier(env: NodeJS.ProcessEnv, onProblem: (message: string) => void): Notifier {
  const fd = Number.parseInt(env['HOLDFAST_NOTIFY_FD'] ?? '', 10);
  const watchdog_us = Number.parseInt(env['WATCHDOG_USEC'] ?? '', 10);
  let broken = !Number.isInteger(fd);
  const send = (message: string): void => {
    if (broken) return;
    try {
      // On a connected datagram socket a write is one message.
      writeSync(fd, message);
    } catch (error) {
      broken = true;
      onProblem(`systemd is not told how the agent is: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return {
    ready: () => send('READY=1'),
    status: (text) => send(`STATUS=${text.replaceAll(/\s+/g, ' ').slice(0, MAX_STATUS_CHARACTERS)}`),
    stopping: () => send('STOPPING=1'),
    watchdogEvery_ms: !broken && watchdog_us > 0 ? Math.floor(watchdog_us / 2000) : undefined,
    watchdog: () => send('WATCHDOG=1'),
  };
}

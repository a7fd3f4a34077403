import { connect } from 'node:net';
import { reasonOf } from './exchange.ts';

/** Nobody takes who comes with the controller's token: something between here and there leads elsewhere. */
export class BellNotTaken extends Error {}

const TAKEN = 'ok\n';
const TAKEN_AND_RUNG = `${TAKEN}ring\n`;
const TAKEN_WITHIN_MS = 15_000;
/** Longer than a controller lets wait: what was not heard by then was lost. */
const BOUND_MS = 900_000;
const KEEP_ALIVE_MS = 60_000;

interface Options {
  readonly controller: URL;
  readonly token: string;
  readonly signal: AbortSignal;
}

/**
 * Waits on a connection without TLS, on which nothing is told but that there is something to ask for: see the controller's
 * `bells.ts`. Resolves when it rings. Rejects where the connection is lost, and with `BellNotTaken` where it could not be had.
 */
export async function waitAtBell({ controller, token, signal }: Options): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: controller.hostname.replace(/^\[|\]$/g, ''), port: Number(controller.port || 443) });
  let heard = '';
  const lost = (reason: string): void => {
    if (heard.startsWith(TAKEN)) reject(new Error(`the connection was lost on which news was waited for: ${reason}`));
    else reject(new BellNotTaken(`news cannot be waited for without TLS: ${reason}`));
  };
  let timer = setTimeout(() => lost(`no answer within ${TAKEN_WITHIN_MS / 1000} s`), TAKEN_WITHIN_MS);
  const hear = (chunk: Buffer): void => {
    const wasTaken = heard.startsWith(TAKEN);
    heard += chunk.toString('latin1');
    if (!TAKEN_AND_RUNG.startsWith(heard)) lost('the answer is none of a controller');
    else if (heard === TAKEN_AND_RUNG) resolve();
    else if (!wasTaken && heard.startsWith(TAKEN)) {
      clearTimeout(timer);
      timer = setTimeout(resolve, BOUND_MS);
    }
  };
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  socket
    .setNoDelay(true)
    .setKeepAlive(true, KEEP_ALIVE_MS)
    .once('connect', () => socket.write(`holdfast-bell/1 ${token}\n`))
    .on('data', hear)
    .on('error', (error) => lost(reasonOf(error)))
    .on('close', () => lost('it was closed'));
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

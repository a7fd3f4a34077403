import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import { HANDSHAKE_BOUND_MS } from './http-limits.ts';

interface Bounds {
  readonly atOnce: number;
  /** A client that stalls in the middle takes nobody else's turn for longer. */
  readonly turn_ms: number;
  /** Whoever has had no turn by then is sent away, and not left to give up: what is begun for it then would be for nothing. */
  readonly wait_ms: number;
}

interface Options {
  readonly bounds?: Bounds;
  /** Takes a connection on which the first byte is none of TLS. */
  readonly plain?: (socket: Socket) => void;
}

/** The first byte of a client that speaks TLS: the type of a record with a handshake (RFC 8446, 5.1). */
const HANDSHAKE_RECORD = 22;

/** Enough at once to keep a processor busy while answers are on their way through the network. */
const BOUNDS: Bounds = { atOnce: 32, turn_ms: 300, wait_ms: 8_000 };

/**
 * Has TLS handshakes made in turns, in the order in which clients have spoken. A handshake costs more than all else that an
 * agent asks for. When a crowd comes back at once, as after a restart, all handshakes at the same time make each of them
 * take longer than its client waits, so that all begin again, for ever. In turns, as many succeed as the machine can make;
 * the others are reset before they have cost anything, and come back after the pause that agents make.
 */
export function makeHandshakesInTurns(
  server: Server,
  { bounds = BOUNDS, plain = (socket) => void socket.destroy() }: Options = {},
): void {
  const begin = server.listeners('connection');
  server.removeAllListeners('connection');
  const turns = new Turns(
    bounds,
    (socket) => {
      for (const listener of begin) listener.call(server, socket);
    },
    plain,
  );
  server.on('connection', (socket: Socket) => turns.arrive(socket));
  server.on('secureConnection', (socket) => turns.end(socket));
  server.on('tlsClientError', (_error, socket) => turns.end(socket));
}

type Peer = Pick<Socket, 'remoteAddress' | 'remotePort'>;

class Turns {
  readonly #bounds: Bounds;
  readonly #begin: (socket: Socket) => void;
  readonly #plain: (socket: Socket) => void;
  /** How each begins; the one who has waited for the longest first. */
  readonly #waiting = new Map<Socket, () => void>();
  /** By whom; each with the timer that ends it. */
  readonly #running = new Map<string, NodeJS.Timeout>();

  constructor(bounds: Bounds, begin: (socket: Socket) => void, plain: (socket: Socket) => void) {
    this.#bounds = bounds;
    this.#begin = begin;
    this.#plain = plain;
  }

  arrive(socket: Socket): void {
    const reset = (): void => void socket.resetAndDestroy();
    let timer = setTimeout(reset, HANDSHAKE_BOUND_MS);
    const leave = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(socket);
    };
    const begin = (): void => {
      leave();
      socket.off('close', leave).off('error', ignore);
      this.#begin(socket);
    };
    // Who says nothing takes no place in the queue.
    const queue = (): void => {
      if (socket.destroyed) return;
      const first: Buffer | null = socket.read(1);
      if (first !== null) {
        socket.unshift(first);
        if (first[0] !== HANDSHAKE_RECORD) {
          leave();
          socket.off('close', leave).off('error', ignore);
          this.#plain(socket);
          return;
        }
      }
      clearTimeout(timer);
      timer = setTimeout(reset, this.#bounds.wait_ms);
      this.#waiting.set(socket, begin);
      this.#next();
    };
    socket.once('readable', queue).once('close', leave).on('error', ignore);
  }

  end(peer: Peer): void {
    const key = keyOf(peer);
    clearTimeout(this.#running.get(key));
    if (this.#running.delete(key)) this.#next();
  }

  #next(): void {
    for (const [socket, begin] of this.#waiting) {
      if (this.#running.size >= this.#bounds.atOnce) return;
      const { remoteAddress, remotePort } = socket;
      const timer = setTimeout(() => this.end({ remoteAddress, remotePort }), this.#bounds.turn_ms).unref();
      this.#running.set(keyOf(socket), timer);
      begin();
    }
  }
}

/** A connection that fails while it waits is closed, which is all there is to do. */
function ignore(): void {}

/** TLS makes another socket of the one that came; both know who is at the other end. */
function keyOf({ remoteAddress, remotePort }: Peer): string {
  return `${remoteAddress} ${remotePort}`;
}

import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Pending, Waiters, Wake } from './waiters.ts';

export interface BellOptions {
  readonly waiters: Waiters;
  /** So many requests are held on connections with TLS; whoever comes later is offered a bell, if it knows of them. */
  readonly mostHeld: number;
  /** A bell is waited at for no longer, within what makes sense. */
  readonly mostWait_s?: number;
}

/** No longer than what is on the way may forget a connection, and no less than a request is held. */
const WAIT_S = { least: 55, most: 300 } as const;
/** At most so much less: crowds drift apart. */
const JITTER_SHARE = 0.2;
/** An agent to which a bell was offered comes to it at once, and who has heard it asks at once. */
const COME_WITHIN_MS = 15_000;
const KEEP_ALIVE_MS = 60_000;
const TOKEN_BYTES = 16;
const LINE = /^holdfast-bell\/1 ([\w-]{22})\n$/;
const MOST_LINE_CHARACTERS = 64;

/**
 * Connections without TLS on which nothing is told but that there is something to ask for. One takes a seventh of the
 * memory of a connection with TLS. Nothing can be learned from it and nothing be done by it: who hears the bell, or takes something
 * else for it, asks as ever, over mutual TLS.
 *
 * An agent that says `holdfast-accepts: bell` with a request that would be held gets a token in `holdfast-bell`. It comes to
 * the port that it knows with the line `holdfast-bell/1 TOKEN`, hears `ok`, and `ring` when its request would go on.
 */
export class Bells {
  readonly #waiters: Waiters;
  readonly #mostHeld: number;
  readonly #wait_s: number;
  /** By token: offered, and not come to yet. */
  readonly #offered = new Map<string, Bell>();
  /** By host: rung, and the host has not asked yet. */
  readonly #rung = new Map<string, Bell>();
  /** Nobody knows yet what they want. */
  readonly #strangers = new Set<Socket>();
  #count = 0;
  #closing = false;

  constructor({ waiters, mostHeld, mostWait_s = WAIT_S.most }: BellOptions) {
    this.#waiters = waiters;
    this.#mostHeld = mostHeld;
    this.#wait_s = Math.min(Math.max(mostWait_s, WAIT_S.least), WAIT_S.most);
  }

  /** How many have been offered and not rung yet. */
  get count(): number {
    return this.#count;
  }

  /** A bell that rings when a held request of the host would go on; none where one more may be held. */
  offer(host: string): Bell | undefined {
    if (this.#waiters.count - this.#count < this.#mostHeld) return undefined;
    const bell = new Bell();
    this.#offered.set(bell.token, bell);
    bell.once('attached', () => this.#offered.delete(bell.token));
    bell.once('close', () => this.#forget(host, bell));
    this.#count += 1;
    this.#waiters.hold(host, this.#wait_s * (1 - Math.random() * JITTER_SHARE), bell, (wake) => {
      this.#count -= 1;
      if (wake !== 'closing') this.#rung.set(host, bell);
      bell.ring(wake);
      return bell;
    });
    return bell;
  }

  /** The host asks. */
  heard(host: string): void {
    this.#rung.get(host)?.destroy();
  }

  /** Takes a connection that speaks no TLS, and closes it unless it comes to a bell. */
  take(socket: Socket): void {
    socket.on('error', ignore);
    if (this.#closing) {
      socket.destroy();
      return;
    }
    let line = '';
    const timer = setTimeout(() => socket.destroy(), COME_WITHIN_MS);
    const destroy = (): void => void socket.destroy();
    const leave = (): void => {
      clearTimeout(timer);
      this.#strangers.delete(socket);
      socket.off('readable', read).off('end', destroy).off('close', leave);
    };
    const read = (): void => {
      line += String(socket.read() ?? '');
      if (!line.includes('\n') && line.length < MOST_LINE_CHARACTERS) return;
      leave();
      const bell = this.#offered.get(LINE.exec(line)?.[1] ?? '');
      if (bell === undefined) socket.destroy();
      else bell.attach(socket);
    };
    this.#strangers.add(socket);
    socket.on('readable', read).on('end', destroy).on('close', leave);
    read();
  }

  /** Closes those that are at no bell, now and from now on; the others end with what they wait for. */
  close(): void {
    this.#closing = true;
    for (const socket of this.#strangers) socket.destroy();
  }

  #forget(host: string, bell: Bell): void {
    this.#offered.delete(bell.token);
    if (this.#rung.get(host) === bell) this.#rung.delete(host);
  }
}

/** Ends when its agent goes away, or when it was rung and the agent has asked. */
export class Bell extends EventEmitter<{ attached: []; close: [] }> implements Pending {
  readonly token = randomBytes(TOKEN_BYTES).toString('base64url');
  closed = false;
  #socket: Socket | undefined;
  #wake: Wake | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    super();
    this.#endSoon();
  }

  attach(socket: Socket): void {
    clearTimeout(this.#timer);
    this.emit('attached');
    this.#socket = socket;
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    // Nothing more is to come on it.
    const destroy = (): void => void socket.destroy();
    socket
      .on('data', destroy)
      .on('end', destroy)
      .once('close', () => this.#left());
    socket.write('ok\n');
    if (this.#wake !== undefined) this.ring(this.#wake);
  }

  ring(wake: Wake): void {
    this.#wake = wake;
    if (wake === 'closing') {
      this.destroy();
      return;
    }
    if (this.#socket === undefined) return;
    this.#endSoon();
    this.#socket.end('ring\n');
  }

  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.emit('close');
  }

  /** Whoever has heard it closes the connection before it asks. */
  #left(): void {
    if (this.#wake === undefined) this.destroy();
  }

  #endSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), COME_WITHIN_MS).unref();
  }
}

/** A connection that fails is closed, which is all there is to do. */
function ignore(): void {}

import { type Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { GoOn, Pending, Wake } from './waiters.ts';

/**
 * What a client offers by `Upgrade` with a request that may be held. The offer is never taken up: the answer is an
 * ordinary one, on a connection that stays HTTP/1.1 (RFC 9110, 7.8). But until then Node keeps no parser for it, as nothing
 * else may come on it meanwhile.
 */
const OFFER = 'holdfast-held';

/** As long as a connection stays open without a request; agents are told of it. */
const IDLE_MS = 72_000;
const KEEP_ALIVE = { connection: 'keep-alive', 'keep-alive': `timeout=${IDLE_MS / 1000}` } as const;

/** For the server's `shouldUpgradeCallback`. What has a body, or is to be the last, is read as any other request. */
export function isOfferedHeld({ method, httpVersion, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    headers.upgrade === OFFER &&
    /^(?:keep-alive, *)?upgrade$/i.test(headers.connection ?? '') &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined
  );
}

/** A request of which nothing is kept but its text, while it is held. */
export interface PutAway {
  /** Its client's. */
  readonly connection: Pending;
  /** Makes the request anew, as if it had come now. */
  readonly goOn: GoOn;
}

const offered = new WeakMap<IncomingMessage, () => PutAway>();
const woken = new WeakMap<IncomingMessage, Wake>();

/**
 * Puts a request away that is to be held, where it was offered for that: the objects that the server, the framework and the
 * handler have for it take more memory than all else that is JavaScript's. It must not be answered any more. It comes again
 * when it goes on, and is looked at as any other, which includes who may ask.
 */
export function putAway(request: IncomingMessage): PutAway | undefined {
  return offered.get(request)?.();
}

/** Why a request goes on that was put away; absent where it was not. */
export function wokenBy(request: IncomingMessage): Wake | undefined {
  return woken.get(request);
}

/**
 * Answers requests that are offered as held without a parser of Node's for each, which takes 10 KB. While it waits for the
 * next request, a connection has none either.
 */
export class HeldConnections {
  readonly #server: Server;
  /** Resolves when the next request may be read. */
  readonly #mayRead: (socket: TLSSocket) => Promise<void>;
  readonly #idle = new Set<TLSSocket>();
  /** The last one of a connection. */
  readonly #unfinished = new WeakMap<Duplex, ServerResponse>();
  #closing = false;

  constructor(server: Server, mayRead: (socket: TLSSocket) => Promise<void> = async () => undefined) {
    this.#server = server;
    this.#mayRead = mayRead;
    server.prependListener('request', ({ socket }, response) => {
      this.#unfinished.set(socket, response);
      response.once('close', () => {
        if (this.#unfinished.get(socket) === response) this.#unfinished.delete(socket);
      });
    });
    server.on('upgrade', (request, socket, head) => {
      // From here on Node no longer hears of what becomes of the connection.
      socket.on('error', ignore).on('end', destroy);
      const answer = (): void => {
        if (!socket.destroyed) this.#answer(request, socket as TLSSocket, head);
      };
      // A client may have asked before it has the answer to what it asked first, or has that before this side knows.
      const before = this.#unfinished.get(socket);
      if (before === undefined) answer();
      else before.once('close', answer);
    });
  }

  /** Ends connections without a request, now and from now on. */
  close(): void {
    this.#closing = true;
    for (const socket of this.#idle) socket.destroy();
  }

  #answer(request: IncomingMessage, socket: TLSSocket, head: Buffer): void {
    // What Node has put there for its parser would stay, once for each request.
    socket.removeAllListeners('resume').removeAllListeners('pause');
    if (head.length > 0) socket.unshift(head);
    offered.set(request, () => this.#putAway(request, socket));
    this.#handle(request, socket);
  }

  #handle(request: IncomingMessage, socket: TLSSocket): Pending {
    const response = new ServerResponse(request);
    for (const [name, value] of Object.entries(KEEP_ALIVE)) response.setHeader(name, value);
    try {
      response.assignSocket(socket);
    } catch {
      // Node itself is still answering on it, as to a request without a host, and ends it with that.
      socket.destroySoon();
      return socket;
    }
    response.once('finish', () => {
      const isLast = this.#closing || response.getHeader('connection') === 'close';
      response.detachSocket(socket);
      response.emit('close');
      if (isLast) socket.destroySoon();
      else this.#awaitNext(socket);
    });
    (this.#server as HttpServer).emit('request', request, response);
    return response;
  }

  #putAway(request: IncomingMessage, socket: TLSSocket): PutAway {
    offered.delete(request);
    const unanswered = this.#unfinished.get(socket);
    unanswered?.detachSocket(socket);
    unanswered?.emit('close');
    return { connection: socket, goOn: this.#comesAgain(request, socket) };
  }

  #comesAgain({ url, headers }: IncomingMessage, socket: TLSSocket): GoOn {
    const text = JSON.stringify({ url, headers });
    return (wake) => {
      if (socket.destroyed) return socket;
      const request = requestOf(socket, JSON.parse(text));
      woken.set(request, wake);
      return this.#handle(request, socket);
    };
  }

  #awaitNext(socket: TLSSocket): void {
    const leave = (): void => void this.#idle.delete(socket);
    const goOn = async (): Promise<void> => {
      await this.#mayRead(socket);
      leave();
      if (socket.destroyed) return;
      socket.off('close', leave).off('error', ignore).off('end', destroy).off('timeout', destroy).setTimeout(0);
      this.#server.emit('secureConnection', socket);
    };
    this.#idle.add(socket);
    socket
      .once('readable', () => void goOn())
      .once('close', leave)
      .once('timeout', destroy)
      .setTimeout(IDLE_MS);
  }
}

function requestOf(socket: TLSSocket, { url, headers }: Pick<IncomingMessage, 'url' | 'headers'>): IncomingMessage {
  const request = new IncomingMessage(socket);
  request.method = 'GET';
  request.httpVersion = '1.1';
  request.httpVersionMajor = 1;
  request.httpVersionMinor = 1;
  request.url = url;
  request.headers = headers;
  request.complete = true;
  request.push(null);
  return request;
}

/** A connection that fails is closed, which is all there is to do. */
function ignore(): void {}

function destroy(this: Duplex): void {
  this.destroy();
}

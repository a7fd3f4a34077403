import type { FastifyInstance, FastifyRequest } from 'fastify';

/** Nobody who means well takes longer over TLS and the headers of a request. */
export const HANDSHAKE_BOUND_MS = 10_000;
export const HEADERS_BOUND_MS = 10_000;
/** The upper bound of any request, pushes included; a route's own is `config.bodyWithin_ms`. */
export const REQUEST_BOUND_MS = 600_000;
const BODY_BOUND_MS = 15_000;
/** A refused body of up to this size is read and dropped, so that the answer is not lost with the connection. */
const DRAINED_BYTES = 8 * 1024 * 1024;
const DRAIN_BOUND_MS = 3_000;

/** Ends connections on which a body comes too slowly. */
export function installLimits(app: FastifyInstance): void {
  app.addHook('onRequest', async (request) => {
    if (!mayHaveBody(request)) return;
    endUnlessComplete(request, request.routeOptions.config.bodyWithin_ms ?? BODY_BOUND_MS);
  });
}

/** What to do with the rest of a request that was refused: the value of `connection`, where it has to be closed. */
export function closeAfterRefusal(request: FastifyRequest): 'close' | undefined {
  if (!mayHaveBody(request) || request.raw.complete) return undefined;
  if (Number(request.headers['content-length'] ?? 0) > DRAINED_BYTES) return 'close';
  endUnlessComplete(request, DRAIN_BOUND_MS);
  let drained_bytes = 0;
  request.raw.on('data', (chunk: Buffer) => {
    drained_bytes += chunk.length;
    if (drained_bytes > DRAINED_BYTES) request.raw.destroy();
  });
  return undefined;
}

function mayHaveBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function endUnlessComplete({ raw }: FastifyRequest, bound_ms: number): void {
  const timer = setTimeout(() => {
    if (!raw.complete) raw.destroy();
  }, bound_ms);
  raw.once('end', () => clearTimeout(timer));
  raw.once('close', () => clearTimeout(timer));
}

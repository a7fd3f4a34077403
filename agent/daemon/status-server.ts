import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { OPENMETRICS_TYPE } from '../metrics/openmetrics.ts';
import type { AgentStatus } from './status.ts';

export interface StatusSource {
  readonly status: () => AgentStatus;
  /** OpenMetrics text. */
  readonly metrics: () => string;
  /** What is wrong with the loop; empty when it is healthy. */
  readonly ailments: () => readonly string[];
}

const LOOPBACK = '127.0.0.1';
const REQUEST_TIMEOUT_MS = 5_000;
const MAX_CONNECTIONS = 32;
const LOCAL_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * What any user of the host may read: `/healthz`, `/status`, `/metrics` on the loopback interface. It changes nothing;
 * commands go over a socket that only root can open. Rejects where the port is taken.
 */
export async function openStatusServer(port: number, source: StatusSource): Promise<Server> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => answer(source, request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ port, host: LOOPBACK }, resolve);
  await promise;
  server.off('error', reject);
  return server;
}

export async function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}

function answer(source: StatusSource, request: IncomingMessage, response: ServerResponse): void {
  // A web page in a local browser could otherwise read this by a name of its own that resolves to the loopback address.
  const name = (request.headers.host ?? '').replace(/:\d+$/, '');
  if (!LOCAL_NAMES.has(name)) return send(response, 421, 'text/plain', 'ask for localhost\n');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(response, 405, 'text/plain', 'only GET; commands go through holdfast-agent\n');
  }
  const path = (request.url ?? '/').split('?', 1)[0];
  if (path === '/healthz') {
    const ailments = source.ailments();
    const healthy = ailments.length === 0;
    return send(response, healthy ? 200 : 503, 'text/plain', healthy ? 'ok\n' : `${ailments.join('\n')}\n`);
  }
  if (path === '/status')
    return send(response, 200, 'application/json', `${JSON.stringify(source.status(), null, 2)}\n`);
  if (path === '/metrics') return send(response, 200, OPENMETRICS_TYPE, source.metrics());
  return send(response, 404, 'text/plain', 'there are /healthz, /status and /metrics\n');
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type.includes('charset') ? type : `${type}; charset=utf-8`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

import { type Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';
import type { ConnectionOptions } from 'node:tls';

/** One request to a controller, whose answer is bounded in time and size. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeout_ms: number;
  readonly max_bytes: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Line {
  readonly controller: URL;
  readonly userAgent: string;
  readonly tls: Pick<ConnectionOptions, 'secureContext' | 'ca' | 'rejectUnauthorized'>;
  /** Keeps connections for the next request; a new connection for each where absent. */
  readonly pool?: Agent | undefined;
}

/** Rejects with what went wrong on the way; whatever the controller answers is an answer. */
export async function exchange(line: Line, asked: Exchange): Promise<Answer> {
  try {
    return await attempt(line, asked);
  } catch (error) {
    // The controller may have closed a kept connection in the very moment in which it was taken up again.
    if (!(error instanceof StaleConnection) || asked.signal?.aborted === true) throw error;
    return attempt(line, asked);
  }
}

class StaleConnection extends Error {}

/** One that ends later was alive when the request went out: thousands of held requests that lose their controller must not be sent again at once. */
const STALE_WITHIN_MS = 1000;
/** A request that is held for a minute is not to wait as long for a connection that nobody answers. */
const CONNECT_BOUND_MS = 15_000;

async function attempt({ controller, userAgent, tls, pool }: Line, asked: Exchange): Promise<Answer> {
  const body = asked.body === undefined ? undefined : Buffer.from(asked.body);
  const options: RequestOptions = {
    ...(controller.protocol === 'https:' ? tls : {}),
    method: asked.method,
    host: controller.hostname.replace(/^\[|\]$/g, ''),
    port: controller.port === '' ? (controller.protocol === 'https:' ? 443 : 80) : controller.port,
    path: `${controller.pathname.replace(/\/$/, '')}${asked.path}`,
    headers: {
      'user-agent': userAgent,
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      ...asked.headers,
    },
    agent: pool ?? false,
    ...(asked.signal === undefined ? {} : { signal: asked.signal }),
  };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const closed = Promise.withResolvers<void>();
  const asked_ms = performance.now();
  const outgoing = transport(controller.protocol)(options);
  const timer = setTimeout(() => {
    outgoing.destroy(new Error(`no answer within ${Math.round(asked.timeout_ms / 1000)} s`));
  }, asked.timeout_ms);
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    const soon = performance.now() - asked_ms < STALE_WITHIN_MS;
    reject(outgoing.reusedSocket && soon && error.code === 'ECONNRESET' ? new StaleConnection(error.message) : error);
  });
  outgoing.on('response', (incoming: IncomingMessage) => {
    void collect(incoming, asked.max_bytes).then(resolve, reject);
  });
  outgoing.on('close', () => closed.resolve());
  boundConnecting(outgoing, controller.protocol === 'https:' ? 'secureConnect' : 'connect');
  outgoing.end(body);
  try {
    const answer = await promise;
    // Only now the connection is there for the next request: an answer may be here before the request seems to be written.
    await closed.promise;
    return answer;
  } finally {
    clearTimeout(timer);
  }
}

function boundConnecting(outgoing: ClientRequest, connected: 'connect' | 'secureConnect'): void {
  outgoing.once('socket', (socket) => {
    if (outgoing.reusedSocket) return;
    const timer = setTimeout(() => {
      outgoing.destroy(new Error(`no connection within ${CONNECT_BOUND_MS / 1000} s`));
    }, CONNECT_BOUND_MS);
    const end = (): void => clearTimeout(timer);
    socket.once(connected, end);
    outgoing.once('close', end);
  });
}

/** TLS is loaded only where it is used: it costs some megabytes. Not by `import()`, which the bundle would turn into another module. */
function transport(protocol: string): typeof request {
  return protocol === 'https:' ? process.getBuiltinModule('node:https').request : request;
}

function collect(incoming: IncomingMessage, max_bytes: number): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const chunks: Buffer[] = [];
  let size_bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    size_bytes += chunk.length;
    if (size_bytes > max_bytes) incoming.destroy(new Error(`the answer is larger than ${max_bytes} bytes`));
    else chunks.push(chunk);
  });
  incoming.on('error', reject);
  incoming.on('end', () => {
    const { statusCode: status = 0, headers } = incoming;
    try {
      resolve({ status, headers, body: unpacked(Buffer.concat(chunks), headers, max_bytes).toString('utf8') });
    } catch (error) {
      reject(new Error(`the answer cannot be unpacked: ${reasonOf(error)}`, { cause: error }));
    }
  });
  // `end` does not come when the other side goes away in the middle.
  incoming.on('close', () => reject(new Error('the connection was closed in the middle of the answer')));
  return promise;
}

/** Throws where it would be larger than `max_bytes`, was damaged, or is packed in a way that was not asked for. */
function unpacked(body: Buffer, headers: IncomingMessage['headers'], max_bytes: number): Buffer {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip') throw new Error(`its content-encoding is ${encoding}`);
  return process.getBuiltinModule('node:zlib').gunzipSync(body, { maxOutputLength: max_bytes });
}

const EXCERPT_CHARACTERS = 600;

/** What a refusal says of itself, in one line: the detail of a problem (RFC 9457), or the beginning of whatever it is. */
export function reasonIn({ headers, body }: Answer): { readonly code?: string; readonly text: string } {
  const line = (text: string): string => text.replaceAll(/\s+/g, ' ').trim().slice(0, EXCERPT_CHARACTERS);
  if (headers['content-type']?.startsWith('application/problem+json') !== true) return { text: line(body) };
  try {
    const { detail, code }: { readonly detail?: unknown; readonly code?: unknown } = JSON.parse(body);
    return {
      text: line(typeof detail === 'string' ? detail : body),
      ...(typeof code === 'string' ? { code } : {}),
    };
  } catch {
    return { text: line(body) };
  }
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node tries several addresses and then gives an error without a message.
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error.message;
}

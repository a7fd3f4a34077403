import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type { LocalHttp, LocalRequest, LocalResponse } from './port.ts';

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_BODY_BYTES = 1_048_576;
const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/;
const NOTHING_LISTENS = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK']);

export function localHttp(): LocalHttp {
  return { request };
}

async function request(wanted: LocalRequest): Promise<LocalResponse | undefined> {
  const address = wanted.address ?? '127.0.0.1';
  if (wanted.socketPath === undefined && !LOOPBACK.test(address)) {
    throw new Error(`${address} is not an address of this host's loopback interface`);
  }
  const target =
    wanted.socketPath === undefined ? { host: address, port: wanted.port ?? 80 } : { socketPath: wanted.socketPath };
  const options: RequestOptions = {
    ...target,
    path: wanted.path,
    method: wanted.method ?? 'GET',
    headers: {
      ...wanted.headers,
      ...(wanted.body === undefined ? {} : { 'content-length': Buffer.byteLength(wanted.body) }),
    },
    agent: false,
    signal: AbortSignal.timeout(wanted.timeout_ms ?? DEFAULT_TIMEOUT_MS),
  };
  try {
    return await exchange(options, wanted);
  } catch (error) {
    if (error instanceof Error && 'code' in error && NOTHING_LISTENS.has(String(error.code))) return undefined;
    const where = wanted.socketPath ?? `${address}:${wanted.port ?? 80}`;
    throw new Error(
      `request to ${where}${wanted.path} failed: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

async function exchange(options: RequestOptions, wanted: LocalRequest): Promise<LocalResponse> {
  const start = wanted.tls === undefined ? httpRequest : (await import('node:https')).request;
  const tls =
    wanted.tls === undefined ? {} : { servername: wanted.tls.serverName, rejectUnauthorized: wanted.tls.verify };
  const { promise, resolve, reject } = Promise.withResolvers<LocalResponse>();
  const outgoing = start({ ...options, ...tls }, (incoming) => {
    readBody(incoming, wanted.maxBody_bytes ?? DEFAULT_MAX_BODY_BYTES).then(
      (body) => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }),
      reject,
    );
  });
  outgoing.on('error', reject);
  outgoing.end(wanted.body);
  return promise;
}

async function readBody(incoming: IncomingMessage, max_bytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size_bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size_bytes += chunk.length;
    if (size_bytes > max_bytes) throw new Error(`the answer is longer than ${max_bytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

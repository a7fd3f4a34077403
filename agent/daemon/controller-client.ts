import { readFileSync } from 'node:fs';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import type { Report } from '../../desired-state/schema/report.ts';
import type { AgentConfig } from './config.ts';

/** The controller did not answer, or not with what was asked for. `retryAfter_ms` is what it asked for itself. */
export class ControllerError extends Error {
  override readonly name = 'ControllerError';
  readonly retryAfter_ms: number;
  /** 0 where there was no answer. */
  readonly status: number;

  constructor(
    message: string,
    options: { readonly retryAfter_ms?: number; readonly status?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.status = options.status ?? 0;
    this.retryAfter_ms = options.retryAfter_ms ?? 0;
  }
}

/**
 * `text` is absent where the manifest still is the one of the ETag that was sent; the revision may be another all the
 * same: a commit that says nothing new about this host.
 */
export interface ManifestAnswer {
  readonly text: string | undefined;
  readonly etag: string | undefined;
  /** The revision that is served; absent where the controller does not say. */
  readonly revision: string | undefined;
  /** A newer revision that the controller does not serve, and why; absent where it serves what is wanted. */
  readonly withheld?: Withheld;
}

export interface Withheld {
  readonly revision: string;
  readonly reason: string;
}

export interface ControllerClient {
  /**
   * While the manifest still is the one of `etag`, the controller holds the request for up to `wait_ms`. Rejects with
   * `ControllerError`.
   */
  manifest(options: {
    readonly etag: string | undefined;
    readonly wait_ms: number;
    readonly signal: AbortSignal;
  }): Promise<ManifestAnswer>;
  report(report: Report): Promise<void>;
}

const CONNECT_AND_ANSWER_MS = 15_000;
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
const MAX_ANSWER_BYTES = 65_536;
const EXCERPT_CHARACTERS = 300;

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeout_ms: number;
  readonly max_bytes: number;
  readonly signal?: AbortSignal;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Speaks to one controller. The token and the authority's certificate are read at every request: they may be renewed. */
export function createControllerClient(
  config: AgentConfig & { readonly controller: URL },
  agentVersion: string,
): ControllerClient {
  const hostPath = `/v1/hosts/${encodeURIComponent(config.host)}`;
  const userAgent = `holdfast-agent/${agentVersion}`;
  const exchange = (asked: Exchange): Promise<Answer> => send(config, userAgent, asked);
  return {
    async manifest({ etag, wait_ms, signal }) {
      const answer = await exchange({
        method: 'GET',
        path: `${hostPath}/manifest${wait_ms > 0 ? `?wait=${Math.round(wait_ms / 1000)}` : ''}`,
        headers: { accept: 'application/json', ...(etag === undefined ? {} : { 'if-none-match': etag }) },
        timeout_ms: wait_ms + CONNECT_AND_ANSWER_MS,
        max_bytes: MAX_MANIFEST_BYTES,
        signal,
      });
      const told = { revision: header(answer, 'holdfast-revision'), ...withheldOf(answer) };
      if (answer.status === 304) return { text: undefined, etag, ...told };
      if (answer.status === 200) return { text: answer.body, etag: answer.headers.etag, ...told };
      throw refusal(config, answer);
    },
    async report(report) {
      const answer = await exchange({
        method: 'POST',
        path: `${hostPath}/reports`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(report),
        timeout_ms: CONNECT_AND_ANSWER_MS,
        max_bytes: MAX_ANSWER_BYTES,
      });
      if (answer.status < 200 || answer.status > 299) throw refusal(config, answer);
    },
  };
}

function header({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

function withheldOf(answer: Answer): { withheld?: Withheld } {
  const revision = header(answer, 'holdfast-wanted-revision');
  if (revision === undefined) return {};
  return {
    withheld: { revision, reason: header(answer, 'holdfast-why-different') ?? 'the controller does not say why' },
  };
}

async function send(config: AgentConfig & { controller: URL }, userAgent: string, asked: Exchange): Promise<Answer> {
  const { controller } = config;
  const body = asked.body === undefined ? undefined : Buffer.from(asked.body);
  const options: RequestOptions & { ca?: Buffer } = {
    method: asked.method,
    host: controller.hostname.replace(/^\[|\]$/g, ''),
    port: controller.port === '' ? (controller.protocol === 'https:' ? 443 : 80) : controller.port,
    path: `${controller.pathname.replace(/\/$/, '')}${asked.path}`,
    headers: {
      'user-agent': userAgent,
      ...credentials(config),
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      ...asked.headers,
    },
    // No pool: a held request keeps its connection by itself, and reports are minutes apart.
    agent: false,
    ...(asked.signal === undefined ? {} : { signal: asked.signal }),
    ...(config.caFile === undefined || controller.protocol !== 'https:'
      ? {}
      : { ca: readFor('caFile', config.caFile) }),
  };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = transport(controller.protocol)(options);
  const timer = setTimeout(() => {
    outgoing.destroy(new Error(`no answer within ${Math.round(asked.timeout_ms / 1000)} s`));
  }, asked.timeout_ms);
  outgoing.on('error', reject);
  outgoing.on('response', (incoming: IncomingMessage) => {
    void collect(incoming, asked.max_bytes).then(resolve, reject);
  });
  outgoing.end(body);
  try {
    return await promise;
  } catch (error) {
    throw new ControllerError(`${controller.origin}: ${reasonOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
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
    const body = Buffer.concat(chunks).toString('utf8');
    resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body });
  });
  // `end` does not come when the other side goes away in the middle.
  incoming.on('close', () => reject(new Error('the connection was closed in the middle of the answer')));
  return promise;
}

function credentials({ tokenFile }: AgentConfig): Record<string, string> {
  if (tokenFile === undefined) return {};
  const token = readFor('tokenFile', tokenFile).toString('utf8').trim();
  if (!/^[\w.~+/=-]+$/.test(token)) throw new ControllerError(`${tokenFile} holds no token: expected one line of text`);
  return { authorization: `Bearer ${token}` };
}

function readFor(key: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ControllerError(`${key} of the agent's configuration: ${reasonOf(error)}`, { cause: error });
  }
}

function refusal({ controller }: AgentConfig, { status, headers, body }: Answer): ControllerError {
  const seconds = Number(headers['retry-after']);
  const retryAfter_ms = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
  const hint = HINTS[status] ?? '';
  const excerpt = body.replaceAll(/\s+/g, ' ').trim().slice(0, EXCERPT_CHARACTERS);
  return new ControllerError(`${controller?.origin} answered ${status}${hint}${excerpt === '' ? '' : `: ${excerpt}`}`, {
    retryAfter_ms,
    status,
  });
}

const HINTS: Readonly<Record<number, string>> = {
  401: ' (the token is missing or wrong: see tokenFile)',
  403: ' (the token is not for this host)',
  404: ' (it does not know this host: is there a file hosts/NAME.yaml?)',
};

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node tries several addresses and then gives an error without a message.
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error.message;
}

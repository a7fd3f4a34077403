import { createHash, X509Certificate } from 'node:crypto';
import { type IncomingMessage } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import type { openApi } from '../openapi.ts';
import { CommandError, type Given, readCa, readSettings, readToken } from './settings.ts';

type Paths = typeof openApi.paths;

/** `GET /v1/hosts`: every route that the controller describes, and no other. */
export type Route = { [Path in keyof Paths]: `${Uppercase<keyof Paths[Path] & string>} ${Path}` }[keyof Paths];

export interface Asked {
  /** For the `{names}` of the path. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: object;
  /** How long the answer may take. */
  readonly bound_ms?: number;
}

const BOUND_MS = 30_000;
const MOST_BYTES = 256 * 1024 * 1024;

/** The controller has said no. */
export class Refused extends CommandError {
  readonly status: number;
  /** As RFC 9457 has it. */
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(message: string, status: number, problem: Readonly<Record<string, unknown>>) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

export interface ClientOptions {
  readonly url: URL;
  readonly token: string | undefined;
  readonly ca: string | undefined;
  /** Where they come from, for messages. */
  readonly tokenFile?: string;
  readonly caFile?: string | undefined;
}

/** The controller's HTTP interface, as one operator. Every wait has a bound; every error says what to do next. */
export class Client {
  readonly url: URL;
  readonly #options: ClientOptions;
  readonly #agent: Agent;

  constructor(options: ClientOptions) {
    this.url = options.url;
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4 });
  }

  static async open(given: Given, env: NodeJS.ProcessEnv): Promise<Client> {
    const { url, tokenFile, caFile } = await readSettings(given, env);
    const ca = caFile === undefined ? undefined : await readCa(caFile);
    return new Client({ url, tokenFile, caFile, ca, token: await readToken(tokenFile) });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Resolves to the body of the answer. Rejects with `Refused`, or another `CommandError`. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what the route answers
  async ask<T>(route: Route, { path = {}, query = {}, body, bound_ms = BOUND_MS }: Asked = {}): Promise<T> {
    const [method = 'GET', template = '/'] = route.split(' ');
    const target = new URL(
      template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? '')),
      this.url,
    );
    for (const [name, value] of Object.entries(query)) if (value !== undefined) target.searchParams.set(name, value);
    const { status, text } = await this.#send(target, method, body, bound_ms);
    const answer = parse(text);
    if (status >= 200 && status < 300) return answer as T;
    throw this.#refusal(status, answer);
  }

  async #send(
    target: URL,
    method: string,
    body: object | undefined,
    bound_ms: number,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const { ca, token } = this.#options;
    const signal = AbortSignal.timeout(bound_ms);
    const sent = body === undefined ? undefined : JSON.stringify(body);
    try {
      return await exchange(
        target,
        {
          method,
          agent: this.#agent,
          signal,
          ...(ca === undefined ? {} : { ca }),
          headers: {
            accept: 'application/json',
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...(sent === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }),
          },
        },
        sent,
      );
    } catch (error) {
      if (signal.aborted) {
        throw new CommandError(
          `${this.url.origin} has not answered within ${bound_ms / 1000} s; see there: systemctl status holdfast-controller`,
        );
      }
      throw unreachable(error, this.#options);
    }
  }

  #refusal(status: number, answer: unknown): Refused {
    const problem = isRecord(answer) ? answer : {};
    const { detail, title } = problem;
    const said = typeof detail === 'string' ? detail : typeof title === 'string' ? title : `it answered ${status}`;
    const next = status === 401 ? ` (the token is in ${this.#options.tokenFile ?? 'none'})` : '';
    return new Refused(`${said}${next}`, status, problem);
  }
}

/**
 * The certificate of an authority that is not believed yet, with its SHA-256. Nothing is sent but the question, and what
 * is answered proves nothing until the hash is compared.
 */
export async function fetchAuthority(url: URL): Promise<{ readonly pem: string; readonly pin: string }> {
  const options = { method: 'GET', rejectUnauthorized: false, agent: false, signal: AbortSignal.timeout(BOUND_MS) };
  const { status, text } = await exchange(new URL('/v1/ca', url), options, undefined).catch((error: unknown) => {
    throw unreachable(error, { url });
  });
  if (status !== 200) throw new CommandError(`${url.origin} is no controller of Holdfast: it answered ${status}`);
  try {
    return { pem: text, pin: createHash('sha256').update(new X509Certificate(text).raw).digest('hex') };
  } catch {
    throw new CommandError(`${url.origin} is no controller of Holdfast: what it answered is no certificate`);
  }
}

function unreachable(error: unknown, { url, caFile }: Pick<ClientOptions, 'url' | 'caFile'>): CommandError {
  if (error instanceof CommandError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const { origin, hostname } = url;
  switch (code) {
    case 'ECONNREFUSED':
      return new CommandError(
        `nothing listens at ${origin}; is it the right URL? On that machine: systemctl status holdfast-controller`,
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new CommandError(`the name ${hostname} cannot be resolved; is ${origin} the right URL?`);
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return new CommandError(
        `the certificate of ${origin} is not for that name; use another one, or start the controller with --name ${hostname}`,
      );
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'CERT_SIGNATURE_FAILURE': {
      const from = caFile === undefined ? 'an authority that this system trusts' : `the authority in ${caFile}`;
      return new CommandError(
        `the certificate of ${origin} is not of ${from}; if the controller is the right one, run: holdfast login ${origin}`,
      );
    }
    default: {
      const message = error instanceof Error && error.message !== '' ? error.message : code;
      return new CommandError(`${origin} cannot be reached: ${message}`);
    }
  }
}

async function exchange(
  target: URL,
  options: RequestOptions,
  body: string | undefined,
): Promise<{ readonly status: number; readonly text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request(target, options, resolve);
  outgoing.on('error', reject);
  outgoing.end(body);
  const incoming = await promise;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > MOST_BYTES) throw new CommandError(`the answer of ${target.origin} is too large`);
    chunks.push(bytes);
  }
  return { status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

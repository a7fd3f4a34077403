/** Calls to a controller over real TLS, as an operator and as an enrolled host. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type IncomingHttpHeaders } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { certificateRequest } from '../../agent/enroll/csr.ts';

export interface CallOptions {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON where it is no text. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

export interface CallAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the shape
  json<T = Record<string, unknown>>(): T;
}

/** What a connection is made with. */
export type Way = Pick<RequestOptions, 'ca' | 'key' | 'cert' | 'rejectUnauthorized' | 'localAddress'>;

export function call(url: string, way: Way, options: CallOptions): Promise<CallAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<CallAnswer>();
  const body =
    options.body === undefined || typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
  const headers = {
    ...(options.body === undefined || typeof options.body === 'string' ? {} : { 'content-type': 'application/json' }),
    ...options.headers,
  };
  const { hostname, port } = new URL(url);
  const outgoing = request({
    ...way,
    hostname,
    port,
    // As it is: a URL would be put in order first.
    path: options.path,
    agent: false,
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    headers,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  outgoing.on('error', reject);
  outgoing.on('response', (incoming) => {
    let text = '';
    incoming.setEncoding('utf8');
    incoming.on('data', (chunk: string) => {
      text += chunk;
    });
    incoming.on('error', reject);
    incoming.on('end', () =>
      resolve({
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        body: text,
        json: () => JSON.parse(text),
      }),
    );
  });
  outgoing.end(body);
  return promise;
}

/** An operator with the first token of an administrator, which the controller has left in its state directory. */
export class Operator {
  readonly url: string;
  readonly ca: string;
  readonly token: string;

  constructor(options: { readonly url: string; readonly ca: string; readonly token: string }) {
    this.url = options.url;
    this.ca = options.ca;
    this.token = options.token;
  }

  static async of(url: string, stateDirectory: string): Promise<Operator> {
    const read = async (name: string): Promise<string> => (await readFile(join(stateDirectory, name), 'utf8')).trim();
    return new Operator({ url, ca: await read('ca.crt'), token: await read('admin.token') });
  }

  call(options: CallOptions): Promise<CallAnswer> {
    const headers = { authorization: `Bearer ${this.token}`, ...options.headers };
    return call(this.url, { ca: this.ca }, { ...options, headers });
  }

  /** Resolves to the text of a join token. */
  async joinToken(options: {
    readonly host?: string;
    readonly validFor?: string;
    readonly uses?: number;
  }): Promise<string> {
    const answer = await this.call({ path: '/v1/join-tokens', body: options });
    if (answer.status !== 201) throw new Error(`no join token: ${answer.status} ${answer.body}`);
    return answer.json<{ readonly token: string }>().token;
  }

  async enroll(host: string): Promise<EnrolledHost> {
    return EnrolledHost.enroll({ url: this.url, ca: this.ca, host, joinToken: await this.joinToken({ host }) });
  }
}

/** A host as the controller sees one: a certificate, and a machine that it is on. */
export class EnrolledHost {
  readonly host: string;
  readonly url: string;
  readonly way: Way & { readonly key: string; readonly cert: string };
  /** The value of the header `holdfast-machine`. */
  readonly machine: string;

  constructor(options: Pick<EnrolledHost, 'host' | 'url' | 'way' | 'machine'>) {
    this.host = options.host;
    this.url = options.url;
    this.way = options.way;
    this.machine = options.machine;
  }

  static async enroll(options: {
    readonly url: string;
    readonly ca: string;
    readonly host: string;
    readonly joinToken: string;
    readonly machine?: string;
  }): Promise<EnrolledHost> {
    const { url, ca, host } = options;
    const machine = options.machine ?? newMachine();
    const { key, csr } = keyFor(host);
    const answer = await call(
      url,
      { ca },
      {
        path: '/v1/enroll',
        headers: { authorization: `Bearer ${options.joinToken}` },
        body: { host, csr, machine },
      },
    );
    if (answer.status !== 201) throw new Error(`not enrolled: ${answer.status} ${answer.body}`);
    const cert = answer.json<{ readonly certificate: string }>().certificate;
    return new EnrolledHost({ host, url, way: { ca, key, cert }, machine: `${machine}.${newStart()}` });
  }

  /** The same host, with something about it that is otherwise. */
  with(other: Partial<Pick<EnrolledHost, 'url' | 'way' | 'machine'>>): EnrolledHost {
    const { host, url, way, machine } = this;
    return new EnrolledHost({ host, url, way, machine, ...other });
  }

  /** `path` below the host's own. */
  call(options: CallOptions): Promise<CallAnswer> {
    const path = options.path.startsWith('/') ? options.path : `/v1/hosts/${this.host}/${options.path}`;
    return call(this.url, this.way, {
      ...options,
      path,
      headers: { 'holdfast-machine': this.machine, ...options.headers },
    });
  }
}

export function keyFor(host: string): { readonly key: string; readonly csr: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    csr: certificateRequest(host, privateKey),
  };
}

export function newMachine(): string {
  return `${randomBytes(16).toString('hex')}.${randomBytes(16).toString('hex')}`;
}

export function newStart(): string {
  return randomBytes(8).toString('hex');
}

/** Asks the controller of the local hosts how it is, as an operator would. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import * as v from 'valibot';
import type { Keys } from './keys.ts';

const REQUEST_TIMEOUT_MS = 5000;

const hostSchema = v.object({
  host: v.string(),
  state: v.string(),
  why: v.optional(v.string()),
  wantedRevision: v.optional(v.string()),
  runningRevision: v.optional(v.string()),
  lastReport_ms: v.optional(v.number()),
  resources: v.optional(v.record(v.string(), v.number())),
});

const statusSchema = v.object({
  whyDifferent: v.optional(v.string()),
  issues: v.array(v.object({ text: v.string() })),
  served: v.optional(v.object({ revision: v.string(), sequence: v.number() })),
  secrets: v.optional(v.object({ problem: v.string() })),
  hosts: v.array(hostSchema),
});

export type ControllerStatus = v.InferOutput<typeof statusSchema>;
export type HostView = v.InferOutput<typeof hostSchema>;

/** `GET /v1/status`. Rejects where the controller does not answer. */
export async function controllerStatus(url: string, keys: Keys): Promise<ControllerStatus> {
  return v.parse(statusSchema, JSON.parse(await asAdmin(url, keys, '/v1/status')));
}

/** Resolves to the text of a join token for one host, good for an hour. */
export async function joinToken(url: string, keys: Keys, host: string): Promise<string> {
  const text = await asAdmin(url, keys, '/v1/join-tokens', { host });
  return v.parse(v.object({ token: v.string() }), JSON.parse(text)).token;
}

async function asAdmin(url: string, keys: Keys, path: string, body?: object): Promise<string> {
  const [token, ca] = await Promise.all([readFile(keys.adminToken, 'utf8'), readFile(keys.caCert, 'utf8')]);
  return get(`${url}${path}`, { ca, headers: { authorization: `Bearer ${token.trim()}` }, ...(body && { body }) });
}

/**
 * The body of a good answer; rejects with any other. A site with a self-signed certificate has `ca: 'any'`. With a body
 * it is a POST of JSON.
 */
export function get(
  url: string,
  options: { ca: string; headers?: Readonly<Record<string, string>>; body?: object },
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const trust = options.ca === 'any' ? { rejectUnauthorized: false } : { ca: options.ca };
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const call = request(url, {
    ...trust,
    method: body === undefined ? 'GET' : 'POST',
    agent: false,
    timeout: REQUEST_TIMEOUT_MS,
    headers: { ...options.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
  });
  call.on('timeout', () => call.destroy(new Error(`${url} did not answer within ${REQUEST_TIMEOUT_MS} ms`)));
  call.on('error', reject);
  call.on('response', (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      text += chunk;
    });
    response.on('error', reject);
    response.on('end', () => {
      if (response.statusCode === 200 || response.statusCode === 201) resolve(text);
      else reject(new Error(`${url} answered ${response.statusCode}: ${text.slice(0, 500)}`));
    });
  });
  call.end(body);
  return promise;
}

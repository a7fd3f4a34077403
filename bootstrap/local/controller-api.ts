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
  const [token, ca] = await Promise.all([readFile(keys.token, 'utf8'), readFile(keys.certificate, 'utf8')]);
  const text = await get(`${url}/v1/status`, { ca, headers: { authorization: `Bearer ${token.trim()}` } });
  return v.parse(statusSchema, JSON.parse(text));
}

/** The body of a 200; rejects with any other answer. A site with a self-signed certificate has `ca: 'any'`. */
export function get(url: string, options: { ca: string; headers?: Readonly<Record<string, string>> }): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const trust = options.ca === 'any' ? { rejectUnauthorized: false } : { ca: options.ca };
  const call = request(url, { ...trust, agent: false, timeout: REQUEST_TIMEOUT_MS, headers: options.headers ?? {} });
  call.on('timeout', () => call.destroy(new Error(`${url} did not answer within ${REQUEST_TIMEOUT_MS} ms`)));
  call.on('error', reject);
  call.on('response', (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      body += chunk;
    });
    response.on('error', reject);
    response.on('end', () => {
      if (response.statusCode === 200) resolve(body);
      else reject(new Error(`${url} answered ${response.statusCode}: ${body.slice(0, 500)}`));
    });
  });
  call.end();
  return promise;
}

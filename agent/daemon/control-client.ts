import { request } from 'node:http';
import type { AgentStatus } from './status.ts';

/** Nobody answers at the daemon's socket. */
export class NotRunning extends Error {
  override readonly name = 'NotRunning';
}

export interface Reach {
  readonly socketPath: string;
  /** Asked instead where the socket is not for us: everybody may look, only root may command. */
  readonly statusPort?: number;
}

const TIMEOUT_MS = 10_000;

export async function readStatus(reach: Reach): Promise<AgentStatus> {
  try {
    return await ask<AgentStatus>({ socketPath: reach.socketPath }, 'GET', '/status');
  } catch (error) {
    if (reach.statusPort === undefined || !(error instanceof Error && 'code' in error && error.code === 'EACCES')) {
      throw explained(error, reach);
    }
  }
  try {
    return await ask<AgentStatus>({ host: '127.0.0.1', port: reach.statusPort }, 'GET', '/status');
  } catch (error) {
    throw explained(error, reach);
  }
}

/** Rejects with `NotRunning`, or with the daemon's own words. */
export async function command<Answer>(reach: Reach, path: string, body: unknown): Promise<Answer> {
  try {
    return await ask<Answer>({ socketPath: reach.socketPath }, 'POST', path, JSON.stringify(body));
  } catch (error) {
    throw explained(error, reach);
  }
}

type Where = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** The answer comes from our own daemon of the same package: its shape is taken as declared. */
async function ask<Answer>(where: Where, method: string, path: string, body?: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const outgoing = request({ ...where, method, path, timeout: TIMEOUT_MS, agent: false }, (incoming) => {
    let text = '';
    incoming.setEncoding('utf8');
    incoming.on('data', (chunk: string) => {
      text += chunk;
    });
    incoming.on('error', reject);
    incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
  });
  outgoing.on('timeout', () => outgoing.destroy(new Error(`the daemon did not answer within ${TIMEOUT_MS / 1000} s`)));
  outgoing.on('error', reject);
  outgoing.end(body);
  const { status, text } = await promise;
  const json = JSON.parse(text) as Answer & { readonly error?: string };
  if (status !== 200) throw new Error(json.error ?? `the daemon answered ${status}`);
  return json;
}

function explained(error: unknown, { socketPath }: Reach): Error {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new NotRunning(`the daemon does not run (nobody answers at ${socketPath}): systemctl start holdfast-agent`);
  }
  if (code === 'EACCES') return new Error(`only root may do that (${socketPath})`);
  return error instanceof Error ? error : new Error(String(error));
}

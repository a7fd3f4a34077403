import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { type PauseRequest, type PauseState, pauseRequestSchema } from './pause.ts';
import type { AgentStatus } from './status.ts';

/** What the command line may ask of the daemon. */
export interface Controls {
  readonly status: () => AgentStatus;
  readonly pause: (request: PauseRequest) => Promise<PauseState>;
  /** Resolves with the pause that ended; `undefined` where there was none. */
  readonly resume: (by: string) => Promise<PauseState | undefined>;
  /** Resolves when a run that began after the call has ended. */
  readonly reconcile: () => Promise<void>;
}

const MAX_BODY_BYTES = 16_384;
const SOCKET_MODE = 0o600;

/** HTTP on a unix socket that only root can open. */
export async function openControlServer(path: string, controls: Controls): Promise<Server> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  // What a killed predecessor left; systemd sees to it that there is one daemon.
  rmSync(path, { force: true });
  const server = createServer((request, response) => {
    handle(controls, request).then(
      ({ status, body }) => send(response, status, body),
      (error: unknown) => send(response, 500, { error: error instanceof Error ? error.message : String(error) }),
    );
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  // Created closed to everybody but root, and not closed after the fact.
  const before = process.umask(0o177);
  server.listen(path, resolve);
  process.umask(before);
  await promise;
  server.off('error', reject);
  chmodSync(path, SOCKET_MODE);
  return server;
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

const resumeSchema = v.strictObject({ by: v.pipe(v.string(), v.nonEmpty(), v.maxLength(100)) });

async function handle(controls: Controls, request: IncomingMessage): Promise<Reply> {
  switch (`${request.method} ${request.url}`) {
    case 'GET /status':
      return { status: 200, body: controls.status() };
    case 'POST /pause':
      return withBody(request, pauseRequestSchema, async (wanted) => ({ pause: await controls.pause(wanted) }));
    case 'POST /resume':
      return withBody(request, resumeSchema, async ({ by }) => ({ ended: (await controls.resume(by)) ?? null }));
    case 'POST /reconcile':
      await controls.reconcile();
      return { status: 200, body: controls.status() };
    default:
      return { status: 404, body: { error: 'there are GET /status, POST /pause, POST /resume and POST /reconcile' } };
  }
}

async function withBody<Schema extends v.GenericSchema>(
  request: IncomingMessage,
  schema: Schema,
  act: (input: v.InferOutput<Schema>) => Promise<unknown>,
): Promise<Reply> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > MAX_BODY_BYTES) return { status: 413, body: { error: 'the request is too large' } };
  }
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { status: 400, body: { error: 'the request is not JSON' } };
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) return { status: 400, body: { error: parsed.issues[0].message } };
  return { status: 200, body: await act(parsed.output) };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(`${JSON.stringify(body)}\n`);
}

import { spawn } from 'node:child_process';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { gitEnvironment } from './git.ts';
import { signalGroup } from './process-group.ts';

/** One request to `git http-backend`. */
export interface CgiRequest {
  /** The folder that the repository lies in. */
  readonly root: string;
  /** `/desired-state.git/info/refs` */
  readonly path: string;
  readonly query: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable | undefined;
  readonly user: string;
  readonly address: string;
  /** For the hooks: which push this is. */
  readonly push: string;
}

export interface CgiBounds {
  readonly body_bytes: number;
  /** Between two pieces of the body. */
  readonly bodyIdle_ms: number;
  /** From beginning to end, hooks included. */
  readonly whole_ms: number;
}

/** `git http-backend` could not answer; what it complained of, for the log. */
export class CgiFailed extends Error {
  override readonly name = 'CgiFailed';
  /** What an HTTP client is told. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Between SIGTERM, at which git takes its locks and its quarantine away, and SIGKILL. */
const GRACE_MS = 5_000;
const MOST_HEAD_BYTES = 16 * 1024;
const MOST_COMPLAINT_BYTES = 8 * 1024;

/**
 * Runs `git http-backend` for a request. Both directions are streamed; nothing is kept of either. Resolves when git has
 * ended and the answer is out, also where the client has gone away: git is ended then. Throws `CgiFailed` before
 * anything of the answer is out.
 */
export async function runCgi(request: CgiRequest, response: ServerResponse, bounds: CgiBounds): Promise<void> {
  const child = spawn('git', ['http-backend'], {
    cwd: request.root,
    env: environmentOf(request),
    stdio: ['pipe', 'pipe', 'pipe'],
    // A group of its own, so that git and its hooks end together.
    detached: true,
  });
  let why: CgiFailed | undefined;
  let killer: NodeJS.Timeout | undefined;
  const end = (reason?: CgiFailed): void => {
    if (killer !== undefined) return;
    why ??= reason;
    // What has begun to be answered can only be broken off.
    if (reason !== undefined && response.headersSent) response.destroy();
    signalGroup(child.pid, 'SIGTERM');
    killer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE_MS);
  };
  const whole = setTimeout(() => {
    end(new CgiFailed(503, `git took longer than ${Math.round(bounds.whole_ms / 1000)} s`));
  }, bounds.whole_ms);
  const gone = (): void => {
    if (!response.writableFinished) end();
  };
  response.once('close', gone);
  const complaint: string[] = [];
  let complaint_bytes = 0;
  child.stderr.on('data', (chunk: Buffer) => {
    complaint_bytes += chunk.length;
    if (complaint_bytes <= MOST_COMPLAINT_BYTES) complaint.push(chunk.toString('utf8'));
  });
  const unfeed = feed(request.body, child.stdin, bounds, end);
  try {
    const answered = answer(child.stdout, response, () => why !== undefined);
    const ended = new Promise<void>((resolve, reject) => {
      child.once('error', (error) => reject(new CgiFailed(500, `git cannot be started: ${error.message}`)));
      child.once('close', () => resolve());
    });
    const [headed] = await Promise.all([answered, ended]);
    if (!headed && !response.destroyed)
      throw why ?? new CgiFailed(500, complaint.join('').trim() || 'git said nothing');
  } finally {
    unfeed();
    clearTimeout(whole);
    clearTimeout(killer);
    response.off('close', gone);
  }
}

/** Of the request's headers only what `git http-backend` reads (its manual names them), and only what can be meant. */
function environmentOf(request: CgiRequest): Record<string, string> {
  const { headers } = request;
  const length = headers['content-length'];
  const encoding = headers['content-encoding'];
  const protocol = headers['git-protocol'];
  return gitEnvironment({
    GIT_PROJECT_ROOT: request.root,
    GIT_HTTP_EXPORT_ALL: '1',
    PATH_INFO: request.path,
    QUERY_STRING: request.query,
    REQUEST_METHOD: request.method,
    CONTENT_TYPE: headers['content-type'] ?? '',
    ...(length !== undefined && /^\d{1,15}$/.test(length) ? { CONTENT_LENGTH: length } : {}),
    ...(encoding === 'gzip' || encoding === 'x-gzip' ? { HTTP_CONTENT_ENCODING: 'gzip' } : {}),
    ...(typeof protocol === 'string' && /^[\w=:]{1,100}$/.test(protocol) ? { GIT_PROTOCOL: protocol } : {}),
    REMOTE_USER: request.user,
    REMOTE_ADDR: request.address,
    HOLDFAST_PUSH: request.push,
  });
}

/** Passes the body on within its bounds. Returns what lets go of it. */
function feed(
  body: Readable | undefined,
  stdin: NodeJS.WritableStream,
  bounds: CgiBounds,
  end: (reason: CgiFailed) => void,
): () => void {
  // A git that has read enough closes the pipe; its answer says what that means.
  stdin.on('error', () => body?.resume());
  if (body === undefined) {
    stdin.end();
    return () => {};
  }
  let size_bytes = 0;
  let idle: NodeJS.Timeout | undefined;
  const expect = (): void => {
    clearTimeout(idle);
    idle = setTimeout(() => end(new CgiFailed(408, 'the body of the request did not go on')), bounds.bodyIdle_ms);
  };
  const count = (chunk: Buffer): void => {
    size_bytes += chunk.length;
    if (size_bytes > bounds.body_bytes) {
      body.unpipe(stdin);
      end(new CgiFailed(413, `a push may have ${Math.floor(bounds.body_bytes / 1024 / 1024)} MB`));
    } else expect();
  };
  const stop = (): void => clearTimeout(idle);
  expect();
  body.on('data', count);
  body.once('end', stop);
  body.once('close', stop);
  body.pipe(stdin);
  return () => {
    stop();
    body.off('data', count);
    body.unpipe(stdin);
    // What is left of it would keep the connection from its next request.
    body.resume();
  };
}

/** Turns the answer of the child into one of HTTP. Resolves, when it has ended, with whether there was one. */
async function answer(stdout: Readable, response: ServerResponse, stopped: () => boolean): Promise<boolean> {
  let head: Buffer = Buffer.alloc(0);
  let headed = false;
  for await (const chunk of stdout) {
    if (response.destroyed || stopped()) continue; // drained, so that git is not blocked while it ends
    if (headed) {
      await write(response, chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = endOfHead(head);
    if (end === undefined) {
      if (head.length > MOST_HEAD_BYTES) return false;
      continue;
    }
    const { status, headers } = parseHead(head.toString('latin1', 0, end.at));
    response.writeHead(status, { ...headers, 'x-accel-buffering': 'no' });
    headed = true;
    if (head.length > end.next) await write(response, head.subarray(end.next));
    else response.flushHeaders();
  }
  if (headed && !stopped()) response.end();
  return headed;
}

async function write(response: ServerResponse, chunk: Buffer): Promise<void> {
  if (response.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

function endOfHead(head: Buffer): { readonly at: number; readonly next: number } | undefined {
  const at = head.indexOf('\r\n\r\n');
  return at < 0 ? undefined : { at, next: at + 4 };
}

/** `Status: 404 Not Found` and headers, one per line (RFC 3875, 6.3). */
export function parseHead(text: string): { readonly status: number; readonly headers: Record<string, string> } {
  const headers: Record<string, string> = {};
  let status = 200;
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon < 1) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'status') status = Number(/^\d{3}/.exec(value)?.[0] ?? 500);
    else headers[name] = value;
  }
  return { status, headers };
}

import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import * as v from 'valibot';

/** What `hook.mjs` sends: one line of JSON. */
const callSchema = v.object({
  hook: v.picklist(['pre-receive', 'post-receive']),
  /** Of a push over HTTP: which request it belongs to. */
  push: v.optional(v.string()),
  user: v.optional(v.string()),
  uid: v.number(),
  from: v.optional(v.string()),
  /** `<old> <new> <ref>` per line. */
  input: v.string(),
  options: v.array(v.string()),
  directory: v.string(),
  objects: v.optional(v.string()),
  alternates: v.optional(v.string()),
});

export type HookCall = v.InferOutput<typeof callSchema>;

/** Tells the pusher a line. */
export type Say = (line: string) => void;

/** Resolves with the status that the hook ends with; the signal says that nobody waits any longer. */
export type HookHandler = (call: HookCall, say: Say, signal: AbortSignal) => Promise<number>;

const MOST_CALL_BYTES = 2 * 1024 * 1024;
const CALL_BOUND_MS = 10_000;

/**
 * The socket by which git's hooks reach the controller. Only the controller's own user and root can open it, the same who
 * can write the repository: whoever pushes over SSH or by path is one of them.
 */
export class HookSocket {
  readonly #path: string;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  constructor(path: string, handler: HookHandler, failed: (error: unknown) => void) {
    this.#path = path;
    this.#server = createServer((socket) => {
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
      serve(socket, handler).catch((error: unknown) => {
        failed(error);
        socket.destroy();
      });
    });
  }

  async listen(): Promise<void> {
    await rm(this.#path, { force: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(this.#path, resolve);
    await promise;
    await chmod(this.#path, 0o600);
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#open) socket.destroy();
    await promise;
  }
}

async function serve(socket: Socket, handler: HookHandler): Promise<void> {
  const left = new AbortController();
  socket.on('error', () => left.abort());
  socket.on('close', () => left.abort());
  const call = await readCall(socket);
  const send = (message: object): void => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
  };
  const status = await handler(call, (line) => send({ say: printable(line) }), left.signal);
  send({ status });
  socket.end();
}

async function readCall(socket: Socket): Promise<HookCall> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  const timer = setTimeout(() => reject(new Error('a hook said nothing')), CALL_BOUND_MS);
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    text += chunk;
    const end = text.indexOf('\n');
    if (end >= 0) resolve(text.slice(0, end));
    else if (text.length > MOST_CALL_BYTES) reject(new Error('a hook said too much'));
  });
  socket.once('close', () => reject(new Error('a hook went away')));
  try {
    return v.parse(callSchema, JSON.parse(await promise));
  } finally {
    clearTimeout(timer);
    socket.removeAllListeners('data').resume();
  }
}

/**
 * Names of files and texts of the pushed tree reach a terminal: controls, but for the tab, and the marks that turn the
 * direction of text become visible.
 */
export function printable(line: string): string {
  return line.replace(
    /(?!\t)[\p{Cc}\p{Bidi_Control}]/gu,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

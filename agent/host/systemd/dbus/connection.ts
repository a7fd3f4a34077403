import { connect, type Socket } from 'node:net';
import type { DBusValue } from './marshal.ts';
import { type Call, decodeMessage, encodeCall, type Message, messageSize, withSerial } from './message.ts';

/** The peer answered with an error: `code` is its D-Bus name, such as `org.freedesktop.systemd1.NoSuchUnit`. */
export class DBusError extends Error {
  override readonly name = 'DBusError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message === '' ? code : message);
    this.code = code;
  }
}

/** The connection broke before the answer came: systemd was re-executed, or the daemon went away. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** No answer within the bound. */
export class CallTimeout extends Error {
  override readonly name = 'CallTimeout';
}

interface Pending {
  resolve(answer: Message): void;
  reject(error: Error): void;
  readonly timer: NodeJS.Timeout;
}

const CONNECT_TIMEOUT_MS = 5000;
/** A steady state asks the same few questions again and again. */
const MAX_ENCODED = 200;

/**
 * One authenticated D-Bus connection. Any number of calls may be under way: requests are written at once and answers are
 * matched by serial. It keeps the process alive only while a call is under way.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #onSignal: (signal: Message) => void;
  #received: Buffer = Buffer.alloc(0);
  #serial = 0;
  /** Calls as bytes, by what they say. */
  readonly #encoded = new Map<string, Buffer>();
  #lost: Error | undefined;

  /** Connects and authenticates as this process's user; rejects with the socket's error (`ENOENT`, `EACCES` …). */
  static async open(path: string, onSignal: (signal: Message) => void): Promise<Connection> {
    const socket = connect(path);
    try {
      await authenticate(socket, path);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return new Connection(socket, onSignal);
  }

  private constructor(socket: Socket, onSignal: (signal: Message) => void) {
    this.#socket = socket;
    this.#onSignal = onSignal;
    socket.setTimeout(0);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.#lose(error));
    socket.on('close', () => this.#lose(new Error('closed by the other side')));
    socket.unref();
  }

  get open(): boolean {
    return this.#lost === undefined;
  }

  close(): void {
    this.#socket.destroy();
    this.#lose(new Error('closed'));
  }

  /** Resolves with the body of the answer; rejects with `DBusError`, `ConnectionLost` or `CallTimeout`. */
  async call(call: Call, timeout_ms: number): Promise<DBusValue[]> {
    return (await this.exchange(call, timeout_ms)).body();
  }

  /** The same, with the whole answer. */
  exchange(call: Call, timeout_ms: number): Promise<Message> {
    if (this.#lost !== undefined) return Promise.reject(new ConnectionLost(this.#lost.message));
    this.#serial += 1;
    const serial = this.#serial;
    const bytes = this.#encode(serial, call);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#settle(serial)?.reject(new CallTimeout(`no answer to ${call.member} within ${timeout_ms} ms`));
      }, timeout_ms);
      this.#pending.set(serial, { resolve, reject, timer });
      this.#socket.ref();
      this.#write(bytes);
    });
  }

  #encode(serial: number, call: Call): Buffer {
    const { destination, path, interface: owner, member, signature = '', body = [] } = call;
    const key = JSON.stringify([destination, path, owner, member, signature, body]);
    const known = this.#encoded.get(key);
    if (known !== undefined) return withSerial(known, serial);
    const bytes = encodeCall(serial, call);
    if (this.#encoded.size >= MAX_ENCODED) this.#encoded.clear();
    this.#encoded.set(key, bytes);
    return bytes;
  }

  /** What is asked in one turn goes out by one write. */
  #write(bytes: Buffer): void {
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      process.nextTick(() => this.#socket.uncork());
    }
    this.#socket.write(bytes);
  }

  #settle(serial: number): Pending | undefined {
    const pending = this.#pending.get(serial);
    if (pending === undefined) return undefined;
    clearTimeout(pending.timer);
    this.#pending.delete(serial);
    if (this.#pending.size === 0) this.#socket.unref();
    return pending;
  }

  #receive(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    try {
      for (;;) {
        const size = messageSize(this.#received);
        if (size === undefined || this.#received.length < size) return;
        const message = decodeMessage(this.#received.subarray(0, size));
        // Nothing left is a new buffer, and not the end of one of 64 KiB that would stay alive.
        this.#received = this.#received.length === size ? Buffer.alloc(0) : this.#received.subarray(size);
        this.#dispatch(message);
      }
    } catch (error) {
      this.#socket.destroy();
      this.#lose(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #dispatch(message: Message): void {
    if (message.type === 'signal') return this.#onSignal(message);
    const pending = message.replySerial === undefined ? undefined : this.#settle(message.replySerial);
    if (pending === undefined) return;
    try {
      if (message.type === 'return') return pending.resolve(message);
      const [text] = message.body();
      pending.reject(new DBusError(message.errorName ?? 'unknown', typeof text === 'string' ? text : ''));
    } catch (error) {
      pending.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #lose(error: Error): void {
    this.#lost ??= error;
    for (const serial of this.#pending.keys()) this.#settle(serial)?.reject(new ConnectionLost(error.message));
  }
}

/**
 * SASL EXTERNAL: the kernel tells the peer our uid, we only name it (in hex of its decimal digits).
 *
 * BEGIN goes out with AUTH and not after the answer: systemd 252 lets a call lie that it reads together with BEGIN, until
 * something else arrives.
 */
async function authenticate(socket: Socket, path: string): Promise<void> {
  const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString('hex');
  await new Promise<void>((resolve, reject) => {
    let answer = '';
    const onData = (chunk: Buffer): void => {
      answer += chunk.toString('latin1');
      if (!answer.includes('\r\n')) return;
      if (answer.startsWith('OK ')) resolve();
      else reject(new Error(`${path} refused to authenticate: ${answer.trim()}`));
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => reject(new CallTimeout(`${path} did not answer`)));
    socket.once('error', reject);
    socket.once('close', () => reject(new ConnectionLost(`${path} closed the connection`)));
    socket.on('data', onData);
    socket.once('connect', () => socket.write(`\0AUTH EXTERNAL ${uid}\r\nBEGIN\r\n`));
  }).finally(() => socket.removeAllListeners());
}

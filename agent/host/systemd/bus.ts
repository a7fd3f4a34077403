import { CallTimeout, Connection, ConnectionLost } from './dbus/connection.ts';
import { type DBusValue, textOrEmpty } from './dbus/marshal.ts';
import type { Call, Message } from './dbus/message.ts';

const PRIVATE_SOCKET = '/run/systemd/private';
const SYSTEM_BUS_SOCKET = '/run/dbus/system_bus_socket';
const SYSTEMD = 'org.freedesktop.systemd1';
const MANAGER_PATH = '/org/freedesktop/systemd1';
const MANAGER = 'org.freedesktop.systemd1.Manager';
const BUS = 'org.freedesktop.DBus';
/** PID 1 answers within a millisecond; it is silent for as long as a daemon-reload of a large host takes. */
const CALL_TIMEOUT_MS = 30_000;
/** `Reload` answers when it is done, and runs every generator meanwhile. */
const RELOAD_TIMEOUT_MS = 120_000;

type Listener = (signal: Message) => void;

/**
 * The way to PID 1: its private socket, as systemctl uses it as root, or the system bus where there is none. One
 * connection is kept; when systemd drops it (`daemon-reexec`, an upgrade of systemd) the next call opens another.
 */
export class SystemdBus {
  #connection: Promise<Connection> | undefined;
  #live: Connection | undefined;
  readonly #listeners = new Set<Listener>();

  /** Calls a method of the manager, which may change something: it is never sent twice. */
  async manage(member: string, signature = '', body: readonly DBusValue[] = []): Promise<DBusValue[]> {
    const connection = await this.#open();
    const timeout_ms = member === 'Reload' ? RELOAD_TIMEOUT_MS : CALL_TIMEOUT_MS;
    return connection.call(managerCall(member, signature, body), timeout_ms);
  }

  /** Calls a method that only reads; asked once more on a new connection when the first one breaks. */
  async ask(member: string, signature: string, body: readonly DBusValue[]): Promise<DBusValue[]> {
    return (await this.#askTwice(managerCall(member, signature, body))).body();
  }

  async property(path: string, owner: string, name: string): Promise<DBusValue | undefined> {
    const answer = await this.#askTwice(propertiesCall(path, 'Get', 'ss', [owner, name]));
    return answer.body()[0];
  }

  /** One call for all of them; what is not wanted is not decoded. */
  async properties(path: string, owner: string, wanted: ReadonlySet<string>): Promise<ReadonlyMap<string, DBusValue>> {
    return (await this.#askTwice(propertiesCall(path, 'GetAll', 's', [owner]))).entries(wanted);
  }

  async #askTwice(call: Call): Promise<Message> {
    try {
      return await (await this.#open()).exchange(call, CALL_TIMEOUT_MS);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      return (await this.#open()).exchange(call, CALL_TIMEOUT_MS);
    }
  }

  /**
   * Starts a job (`StartUnit` …) and resolves with its result, `done` or another word of `JobRemoved`. Signals are
   * listened to before the call, because a short job may end before its answer is read.
   */
  async runJob(member: string, unit: string, timeout_ms: number): Promise<string> {
    const ended = new Map<string, string>();
    let wake = (): void => {};
    const listener: Listener = (signal) => {
      if (signal.member !== 'JobRemoved') return;
      const [, job, , result] = signal.body();
      ended.set(textOrEmpty(job), textOrEmpty(result));
      wake();
    };
    this.#listeners.add(listener);
    try {
      await this.manage('Subscribe').catch(ignoreAlreadySubscribed);
      const [job] = await this.manage(member, 'ss', [unit, 'replace']);
      return await this.#jobResult(textOrEmpty(job), ended, timeout_ms, (next) => {
        wake = next;
      });
    } finally {
      this.#listeners.delete(listener);
    }
  }

  #jobResult(
    job: string,
    ended: ReadonlyMap<string, string>,
    timeout_ms: number,
    onWake: (wake: () => void) => void,
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        clearInterval(watchdog);
        reject(new CallTimeout(`the job did not end within ${Math.round(timeout_ms / 1000)} s`));
      }, timeout_ms);
      const check = (): void => {
        const result = ended.get(job);
        if (result === undefined && this.#live?.open === true) return;
        clearTimeout(timer);
        clearInterval(watchdog);
        if (result === undefined) reject(new ConnectionLost('systemd was re-executed while the job ran'));
        else resolve(result);
      };
      // The socket alone does not keep the process alive here, and a lost connection sends no signal.
      const watchdog = setInterval(check, 250);
      onWake(check);
      check();
    });
  }

  close(): void {
    this.#live?.close();
    this.#connection = undefined;
    this.#live = undefined;
  }

  async #open(): Promise<Connection> {
    if (this.#connection === undefined || this.#live?.open === false) {
      this.#live = undefined;
      this.#connection = this.#connect();
    }
    try {
      this.#live = await this.#connection;
      return this.#live;
    } catch (error) {
      this.#connection = undefined;
      throw error;
    }
  }

  async #connect(): Promise<Connection> {
    const onSignal = (signal: Message): void => {
      for (const listener of this.#listeners) listener(signal);
    };
    try {
      return await Connection.open(PRIVATE_SOCKET, onSignal);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      return connectByBus(onSignal, error);
    }
  }
}

async function connectByBus(onSignal: Listener, cause: unknown): Promise<Connection> {
  let connection: Connection;
  try {
    connection = await Connection.open(SYSTEM_BUS_SOCKET, onSignal);
  } catch {
    throw new Error(`systemd cannot be reached: neither ${PRIVATE_SOCKET} nor ${SYSTEM_BUS_SOCKET} answers`, { cause });
  }
  const bus = { destination: BUS, path: '/org/freedesktop/DBus', interface: BUS };
  await connection.call({ ...bus, member: 'Hello' }, CALL_TIMEOUT_MS);
  const rule = `type='signal',interface='${MANAGER}',member='JobRemoved'`;
  await connection.call({ ...bus, member: 'AddMatch', signature: 's', body: [rule] }, CALL_TIMEOUT_MS);
  return connection;
}

function managerCall(member: string, signature: string, body: readonly DBusValue[]): Call {
  return { destination: SYSTEMD, path: MANAGER_PATH, interface: MANAGER, member, signature, body };
}

function propertiesCall(path: string, member: string, signature: string, body: readonly DBusValue[]): Call {
  return { destination: SYSTEMD, path, interface: 'org.freedesktop.DBus.Properties', member, signature, body };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['ENOENT', 'ECONNREFUSED', 'EACCES'].includes(String(error.code));
}

function ignoreAlreadySubscribed(error: unknown): void {
  if (error instanceof Error && 'code' in error && String(error.code).endsWith('.AlreadySubscribed')) return;
  throw error;
}

import { accessOf, isCut } from './failure.ts';
import type { PeerIdentity } from './peer-socket.ts';
import type { Cluster } from './port.ts';
import { Session } from './session.ts';

/** Each kept connection is a backend of some MB on the server. */
const MAX_SESSIONS = 8;
/** Longer than the time between two looks of an agent, so that a steady state does not connect anew. */
const IDLE_LIMIT_MS = 300_000;

/** The connections that are kept open between runs, one per cluster and database. */
export class Sessions {
  readonly #open = new Map<string, Promise<Session>>();
  #sweeper: NodeJS.Timeout | undefined;

  async get(cluster: Cluster, database: string, identity: PeerIdentity, connectedAfter_ms = 0): Promise<Session> {
    const key = `${prefixOf(cluster)}${database}`;
    const known = this.#open.get(key);
    if (known !== undefined) {
      const session = await known.catch(() => undefined);
      if (session !== undefined && !session.ended && session.opened_ms >= connectedAfter_ms) return session;
      this.#drop(key, known);
    }
    await this.#makeRoom();
    const { socketDirectory, port } = cluster;
    const opening = Session.open({ socketDirectory, port, database, identity });
    this.#open.set(key, opening);
    this.#sweeper ??= setInterval(() => void this.#sweep(), IDLE_LIMIT_MS / 4).unref();
    try {
      return await opening;
    } catch (error) {
      this.#open.delete(key);
      throw error;
    }
  }

  /** Runs once more on a new connection where the kept one turns out to be cut. `undefined` where the server cannot be reached. */
  async use<T>(find: () => Promise<Session>, work: (session: Session) => Promise<T>): Promise<T | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work(await find());
      } catch (error) {
        if (isCut(error) && attempt === 1) continue;
        if (accessOf(error) !== undefined) return undefined;
        throw error;
      }
    }
  }

  close(cluster: Cluster): void {
    for (const [key, session] of this.#open) if (key.startsWith(prefixOf(cluster))) this.#drop(key, session);
  }

  #drop(key: string, session: Promise<Session>): void {
    if (this.#open.get(key) === session) this.#open.delete(key);
    session.then(
      (opened) => opened.close(),
      () => {},
    );
  }

  async #makeRoom(): Promise<void> {
    if (this.#open.size < MAX_SESSIONS) return;
    const idle = (await this.#settled()).filter(({ session }) => !session.busy);
    const oldest = idle.sort((a, b) => a.session.lastUsed_ms - b.session.lastUsed_ms)[0];
    if (oldest !== undefined) this.#drop(oldest.key, oldest.promise);
  }

  async #sweep(): Promise<void> {
    const limit_ms = Date.now() - IDLE_LIMIT_MS;
    for (const { key, promise, session } of await this.#settled()) {
      if (session.ended || (!session.busy && session.lastUsed_ms < limit_ms)) this.#drop(key, promise);
    }
    if (this.#open.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  async #settled(): Promise<{ key: string; promise: Promise<Session>; session: Session }[]> {
    const all = [...this.#open].map(async ([key, promise]) => ({
      key,
      promise,
      session: await promise.catch(() => undefined),
    }));
    return (await Promise.all(all)).flatMap(({ key, promise, session }) =>
      session === undefined ? [] : [{ key, promise, session }],
    );
  }
}

function prefixOf(cluster: Cluster): string {
  return `${cluster.socketDirectory}:${cluster.port}/`;
}

import { alone, unpack } from './packing.ts';
import { SingleFlight } from './single-flight.ts';
import { batchesOf } from './store/batches.ts';
import type { Store } from './store/database.ts';
import { loadServed, openManifest, type ServedManifest, sealedManifests } from './store/served-tables.ts';
import { Together } from './store/together.ts';

export interface ServingOptions {
  readonly store: Pick<Store, 'db' | 'sealer' | 'bus'>;
  /** Told of every host that gets another manifest now, or none any more. */
  readonly changed: (hosts: readonly string[]) => void;
}

/** Texts are read again when they are needed; these many bytes of them stay at hand for agents that come together. */
const CACHED_BYTES = 4 * 1024 * 1024;
/** So many texts are read by one statement. */
const MOST_TOGETHER = 50;
/** One message names so many hosts; where there are many more, all are read again. */
const HOSTS_PER_MESSAGE = 50;
const MOST_NAMED = 1000;
const ALL = '*';

type Due = ReadonlySet<string> | typeof ALL;

/** What each host gets now: in memory but for the texts, and in step with what other controllers decide. */
export class Serving {
  readonly #options: ServingOptions;
  readonly #hosts = new Map<string, ServedManifest>();
  /** By host; the least recently used first. */
  readonly #packed = new Map<string, { readonly etag: string; readonly sequence: number; readonly packed: Buffer }>();
  #cached_bytes = 0;
  readonly #sealed: Together<ServedManifest, Uint8Array>;
  /** One at a time: what was read earlier must not take the place of what was read later. */
  readonly #reading = new SingleFlight(() => this.#read());
  /** What is to be read again. */
  #due: Due = new Set();
  readonly #ends: (() => void)[] = [];

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#sealed = new Together(MOST_TOGETHER, (manifests) => sealedManifests(options.store.db, manifests));
  }

  async open(): Promise<void> {
    const { bus } = this.#options.store;
    this.#ends.push(
      bus.subscribe('served', (text, sender) => (sender === 'self' ? undefined : this.refresh(hostsIn(text)))),
      bus.onGap(() => this.refresh()),
    );
    await this.refresh();
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  get(host: string): ServedManifest | undefined {
    return this.#hosts.get(host);
  }

  hosts(): ReadonlyMap<string, ServedManifest> {
    return this.#hosts;
  }

  /** The highest that was ever given out, as far as it is known. */
  get sequence(): number {
    let highest = 0;
    for (const { sequence } of this.#hosts.values()) highest = Math.max(highest, sequence);
    return highest;
  }

  /** The manifest's text, with the secrets in clear. */
  async text(served: ServedManifest): Promise<string> {
    return unpack(await this.packed(served));
  }

  /** The same, packed by gzip, as it is kept: most agents take it so. */
  async packed(served: ServedManifest): Promise<Buffer> {
    const { host, etag, sequence } = served;
    const known = this.#packed.get(host);
    if (known?.etag === etag && known.sequence === sequence) return known.packed;
    const sealed = await this.#sealed.ask(served);
    if (sealed === undefined) throw new Error(`the manifest of ${host} is missing in the store`);
    const packed = openManifest(this.#options.store.sealer, served, sealed);
    this.#remember(served, packed);
    return packed;
  }

  /** Reads again what these hosts get, or all. Lets go who waits for what has changed. */
  refresh(hosts?: readonly string[]): Promise<void> {
    this.#demand(hosts === undefined ? ALL : new Set(hosts));
    return this.#reading.run();
  }

  /**
   * Knows, when it resolves, what these hosts were given, or what came after it. Another controller's decision may be known
   * here before what it gave: what a host has reported of what it had before would then be taken for what it says of that.
   */
  async keepUp(given: readonly Pick<ServedManifest, 'host' | 'etag'>[]): Promise<void> {
    const behind = (): readonly string[] =>
      given.flatMap(({ host, etag }) => (this.#hosts.get(host)?.etag === etag ? [] : [host]));
    if (behind().length === 0) return;
    // It may be what is being read already.
    await this.#reading.idle();
    const hosts = behind();
    if (hosts.length > 0) await this.refresh(hosts.length > MOST_NAMED ? undefined : hosts);
  }

  async #read(): Promise<void> {
    const due = this.#due;
    this.#due = new Set();
    try {
      this.#take(due, await loadServed(this.#options.store.db, due === ALL ? undefined : [...due]));
    } catch (error) {
      this.#demand(due);
      throw error;
    }
  }

  #demand(due: Due): void {
    this.#due = due === ALL || this.#due === ALL ? ALL : this.#due.union(due);
  }

  #take(due: Due, rows: readonly ServedManifest[]): void {
    const now = new Map(rows.map((row) => [row.host, row]));
    const changed: string[] = [];
    for (const host of due === ALL ? new Set([...this.#hosts.keys(), ...now.keys()]) : due) {
      const row = now.get(host);
      const before = this.#hosts.get(host);
      if (row === undefined) this.#hosts.delete(host);
      else this.#hosts.set(host, row);
      if (row?.etag !== before?.etag || row?.sequence !== before?.sequence) changed.push(host);
    }
    if (changed.length > 0) this.#options.changed(changed);
  }

  /** Reads again what these hosts get, or all, and tells the other controllers to do so; after a change in the store. */
  async renew(hosts?: readonly string[]): Promise<void> {
    const some = hosts !== undefined && hosts.length <= MOST_NAMED ? hosts : undefined;
    const messages = some && [...batchesOf(some, HOSTS_PER_MESSAGE)].map((batch) => JSON.stringify(batch));
    const { bus } = this.#options.store;
    for (const message of messages ?? [ALL]) await bus.publish('served', message);
    await this.refresh(some);
  }

  #remember({ host, etag, sequence }: ServedManifest, text: Buffer): void {
    const packed = alone(text);
    this.#cached_bytes += packed.length - (this.#packed.get(host)?.packed.length ?? 0);
    this.#packed.delete(host);
    this.#packed.set(host, { etag, sequence, packed });
    for (const [oldest, entry] of this.#packed) {
      if (this.#cached_bytes <= CACHED_BYTES) return;
      this.#packed.delete(oldest);
      this.#cached_bytes -= entry.packed.length;
    }
  }
}

function hostsIn(message: string): readonly string[] | undefined {
  if (message === ALL) return undefined;
  const hosts: unknown = JSON.parse(message);
  return Array.isArray(hosts) ? hosts.filter((host) => typeof host === 'string') : undefined;
}

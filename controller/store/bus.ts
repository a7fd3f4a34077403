import type { StoreLog } from './log.ts';

/**
 * What controllers tell each other. Texts are names and ids, never contents; `report` is a JSON list of hosts, because
 * reports come by the hundred: whoever wants to know of them listens to `HostRecords.onReport`, which has read them by then.
 */
export type Topic = 'served' | 'rollout' | 'report' | 'preview' | 'pause' | 'refs' | 'trust';

export type Sender = 'self' | 'other';

export type Handler = (text: string, sender: Sender) => void | Promise<void>;

/**
 * Tells every controller of the same database that there is something to read. A message only shortens a delay: it may be
 * lost (see `onGap`), so whoever depends on it also looks by itself now and then.
 */
export interface Bus {
  /**
   * Call it after the commit. Subscribers of this process hear of it in any case, in order, soon after the call; those of
   * other controllers once this resolves. Rejects when the database cannot be reached.
   */
  publish(topic: Topic, text: string): Promise<void>;
  /** Returns what ends the subscription. What a handler throws is logged. */
  subscribe(topic: Topic, handler: Handler): () => void;
  /** Called after a time in which messages of others may have been missed: read everything again. */
  onGap(handler: () => void | Promise<void>): () => void;
  close(): Promise<void>;
}

/** The subscribers of this process. */
export class Subscribers {
  readonly #log: StoreLog;
  readonly #handlers = new Map<Topic, Set<Handler>>();
  readonly #gapHandlers = new Set<() => void | Promise<void>>();

  constructor(log: StoreLog) {
    this.#log = log;
  }

  subscribe(topic: Topic, handler: Handler): () => void {
    // Wrapped, so that a function that subscribes twice is two subscriptions.
    const own: Handler = (text, sender) => handler(text, sender);
    const handlers = this.#handlers.get(topic) ?? new Set();
    this.#handlers.set(topic, handlers.add(own));
    return () => handlers.delete(own);
  }

  onGap(handler: () => void | Promise<void>): () => void {
    const own = () => handler();
    this.#gapHandlers.add(own);
    return () => this.#gapHandlers.delete(own);
  }

  /** Not within the caller's stack: a publisher is done before a subscriber begins. */
  tell(topic: Topic, text: string, sender: Sender): void {
    queueMicrotask(() => {
      for (const handler of this.#handlers.get(topic) ?? []) void this.#call(topic, () => handler(text, sender));
    });
  }

  tellGap(): void {
    queueMicrotask(() => {
      for (const handler of this.#gapHandlers) void this.#call('gap', handler);
    });
  }

  async #call(topic: string, handler: () => void | Promise<void>): Promise<void> {
    try {
      await handler();
    } catch (error) {
      this.#log.error({ topic, err: error }, 'a message between controllers could not be handled');
    }
  }
}

/** For a controller that has its database to itself. */
export class LocalBus implements Bus {
  readonly #subscribers: Subscribers;

  constructor(log: StoreLog) {
    this.#subscribers = new Subscribers(log);
  }

  async publish(topic: Topic, text: string): Promise<void> {
    this.#subscribers.tell(topic, text, 'self');
  }

  subscribe(topic: Topic, handler: Handler): () => void {
    return this.#subscribers.subscribe(topic, handler);
  }

  onGap(handler: () => void | Promise<void>): () => void {
    return this.#subscribers.onGap(handler);
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}

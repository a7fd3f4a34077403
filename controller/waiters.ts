/** An answer: closed when it is sent, or when the client goes away. Or a connection, which is closed in the end. */
export interface Pending {
  readonly closed: boolean;
  once(event: 'close', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}

/** Why a held request ends. */
export type Wake = 'changed' | 'timeout' | 'closing';

interface Waiter {
  readonly host: string;
  readonly slot: number;
  readonly done: (wake: Wake) => void;
}

/** Has a request that was held answered, and returns its answer. */
export type GoOn = (wake: Wake) => Pending;

const TICK_MS = 1000;
/** The longest wait in ticks, and one more so that a full turn of the wheel is never the slot of now. */
const SLOTS = 601;
export const MAX_WAIT_S = SLOTS - 1;

/**
 * So many are let go before others have their answers. A crowd that comes all at once waits for each other until it gives
 * up, and comes again; in turns, nobody waits for long, and the last one is served no later.
 */
const MOST_UNANSWERED = 200;
/** A client that takes its answer slowly keeps nobody else from theirs for longer. */
const TURN_BOUND_MS = 2000;

/**
 * Requests that are held until a host's manifest changes. One timer serves all of their bounds (a wheel of one-second
 * slots), and a change that concerns many hosts lets them go in turns, as fast as they can be served.
 */
export class Waiters {
  readonly #byHost = new Map<string, Set<Waiter>>();
  readonly #wheel: readonly Set<Waiter>[] = Array.from({ length: SLOTS }, () => new Set());
  #now = 0;
  #count = 0;
  #ticking: NodeJS.Timeout | undefined;
  #closing = false;
  /** In the order in which they are let go. */
  readonly #releasing = new Set<Waiter>();
  #unanswered = 0;

  get count(): number {
    return this.#count;
  }

  /** Whether somebody is still to be let go because a manifest has changed. */
  get letsGo(): boolean {
    return this.#releasing.size > 0;
  }

  /**
   * Lets a request go on when the host's manifest changes, after `seconds` (1 to `MAX_WAIT_S`), when all are let go, or when
   * the client goes away.
   */
  hold(host: string, seconds: number, client: Pending, goOn: GoOn): void {
    if (this.#closing || client.closed) {
      goOn('closing');
      return;
    }
    const slot = (this.#now + Math.min(Math.max(Math.ceil(seconds), 1), MAX_WAIT_S)) % SLOTS;
    const waiter: Waiter = {
      host,
      slot,
      done: (wake) => {
        if (!this.#remove(waiter)) return;
        client.off('close', leave);
        const answer = goOn(wake);
        if (wake === 'changed') this.#takeTurn(answer);
      },
    };
    const leave = (): void => waiter.done('closing');
    client.once('close', leave);
    this.#add(waiter);
  }

  /** The same, for a request whose answer is there already: resolves when it goes on. */
  wait(host: string, seconds: number, answer: Pending): Promise<Wake> {
    return new Promise((resolve) => {
      this.hold(host, seconds, answer, (wake) => {
        resolve(wake);
        return answer;
      });
    });
  }

  /** The manifests of these hosts have changed. */
  release(hosts: Iterable<string>): void {
    for (const host of hosts) for (const waiter of this.#byHost.get(host) ?? []) this.#releasing.add(waiter);
    this.#letGo();
  }

  /** Lets all go, now and from now on. */
  close(): void {
    this.#closing = true;
    for (const waiters of this.#byHost.values()) for (const waiter of waiters) waiter.done('closing');
  }

  #letGo(): void {
    for (const waiter of this.#releasing) {
      if (this.#unanswered >= MOST_UNANSWERED) return;
      waiter.done('changed');
    }
  }

  #takeTurn(answer: Pending): void {
    this.#unanswered += 1;
    const end = (): void => {
      clearTimeout(timer);
      answer.off('close', end);
      this.#unanswered -= 1;
      this.#letGo();
    };
    const timer = setTimeout(end, TURN_BOUND_MS).unref();
    answer.once('close', end);
  }

  #add(waiter: Waiter): void {
    const waiters = this.#byHost.get(waiter.host) ?? new Set();
    this.#byHost.set(waiter.host, waiters.add(waiter));
    this.#wheel[waiter.slot]?.add(waiter);
    this.#count += 1;
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #remove(waiter: Waiter): boolean {
    const waiters = this.#byHost.get(waiter.host);
    if (waiters?.delete(waiter) !== true) return false;
    this.#releasing.delete(waiter);
    if (waiters.size === 0) this.#byHost.delete(waiter.host);
    this.#wheel[waiter.slot]?.delete(waiter);
    this.#count -= 1;
    if (this.#count === 0) {
      clearInterval(this.#ticking);
      this.#ticking = undefined;
    }
    return true;
  }

  #tick(): void {
    this.#now = (this.#now + 1) % SLOTS;
    for (const waiter of this.#wheel[this.#now] ?? []) waiter.done('timeout');
  }
}

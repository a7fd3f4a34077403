/** Half as long as agents wait for the answer to a report. */
const MOST_WAIT_MS = 15_000;
const LOOK_EVERY_MS = 20;
/** So many go on before others have their turn. */
const AT_ONCE = 20;

/**
 * Has reports wait while manifests go out. A push to thousands of hosts is answered by as many reports, which cost as much
 * as the manifests: taken in as they come, they would double the time until the last host has its manifest. Nobody waits
 * for longer than a bound, and who has waited goes on in turns, so that others are served meanwhile.
 */
export class NewsFirst {
  readonly #goesOut: () => boolean;
  /** In the order in which they came. */
  readonly #waiting = new Set<{ readonly since_ms: number; readonly goOn: () => void }>();

  /** Connections that have waited for their next request already. */
  readonly #read = new WeakSet<object>();

  /** `goesOut`: whether there are manifests that are still to go out. */
  constructor(goesOut: () => boolean) {
    this.#goesOut = goesOut;
  }

  /**
   * Resolves when what has come on an idle connection may be read. What waits there has no parser and no request yet, which
   * take more than 10 KB; it does not wait again.
   */
  async read(connection: object): Promise<void> {
    await this.turn();
    this.#read.add(connection);
  }

  /** Resolves when it is the turn of who asks, by a request on that connection. */
  turn(connection?: object): Promise<void> {
    if (connection !== undefined && this.#read.delete(connection)) return Promise.resolve();
    if (this.#waiting.size === 0 && !this.#goesOut()) return Promise.resolve();
    return new Promise((resolve) => {
      if (this.#waiting.size === 0) this.#lookAgain();
      this.#waiting.add({ since_ms: performance.now(), goOn: resolve });
    });
  }

  #lookAgain(): void {
    const look = (): void => this.#look();
    if (this.#goesOut()) setTimeout(look, LOOK_EVERY_MS);
    else setImmediate(look);
  }

  #look(): void {
    const goesOut = this.#goesOut();
    const since_ms = performance.now() - MOST_WAIT_MS;
    let count = 0;
    for (const one of this.#waiting) {
      if (count === AT_ONCE || (goesOut && one.since_ms > since_ms)) break;
      count += 1;
      this.#waiting.delete(one);
      one.goOn();
    }
    if (this.#waiting.size > 0) this.#lookAgain();
  }
}

/** How many connections the kernel accepts per second, on this machine: for all programs, as far as there are others. */
import { readFileSync } from 'node:fs';

const EVERY_MS = 1000;

function accepted(): number {
  const [names = '', values = ''] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'));
  return Number(values.split(' ')[names.split(' ').indexOf('PassiveOpens')]);
}

export class AcceptedConnections implements Disposable {
  readonly #timer: NodeJS.Timeout;
  readonly #perSecond: number[] = [];

  constructor() {
    let before = accepted();
    let at = performance.now();
    this.#timer = setInterval(() => {
      const now = accepted();
      this.#perSecond.push(((now - before) * 1000) / (performance.now() - at));
      before = now;
      at = performance.now();
    }, EVERY_MS);
  }

  get peak(): number {
    return Math.round(Math.max(0, ...this.#perSecond));
  }

  get perSecond(): readonly number[] {
    return this.#perSecond.map((count) => Math.round(count));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

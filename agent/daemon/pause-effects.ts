import type { Meter } from '../metrics/meter.ts';
import type { Log } from './log.ts';
import type { PauseState } from './pause.ts';

/** What a pause says to the journal and to the metrics when it begins and when it ends. */
export class PauseEffects {
  readonly #log: Log;
  readonly #meter: Meter;

  constructor(parts: { readonly log: Log; readonly meter: Meter }) {
    this.#log = parts.log;
    this.#meter = parts.meter;
  }

  begun({ until_ms, by, why }: PauseState): void {
    const until = new Date(until_ms).toISOString();
    this.#log.warning(`paused until ${until} by ${by}: ${why}`);
    this.#meter.event('paused', { title: `paused until ${until}`, text: `by ${by}: ${why}` }, {});
  }

  ended({ by, since_ms }: PauseState, how: string): void {
    const text = `the pause of ${by} since ${new Date(since_ms).toISOString()} ended ${how}`;
    this.#log.notice(text);
    this.#meter.event('resumed', { title: 'resumed', text }, {});
  }
}

import type { Meter } from '../metrics/meter.ts';
import type { ControllerView } from './follow.ts';
import type { Log } from './log.ts';

/** What becomes of the controller, in the journal and as events: each change is told once, and not at every try. */
export class ControllerEffects {
  readonly #log: Log;
  readonly #meter: Meter;
  #state: ControllerView['state'] = 'none';
  #refused: string | undefined;
  #withheld: string | undefined;
  #confirmed_ms: number | undefined;

  constructor(parts: { readonly log: Log; readonly meter: Meter }) {
    this.#log = parts.log;
    this.#meter = parts.meter;
  }

  /** When the controller last confirmed that what runs is what is wanted. */
  get confirmed_ms(): number | undefined {
    return this.#confirmed_ms;
  }

  /** Says what is new beside reachable or away: `refused` a manifest, or another `rollout` state. */
  changed(view: ControllerView): { readonly refused: boolean; readonly rollout: boolean } {
    this.#reachable(view);
    const refused = view.refused?.reason;
    const withheld = view.withheld?.reason;
    const news = {
      refused: refused !== undefined && refused !== this.#refused,
      rollout: refused !== this.#refused || withheld !== this.#withheld,
    };
    this.#refused = refused;
    this.#withheld = withheld;
    if (news.refused) {
      this.#log.error(`the controller's manifest was refused, the last good one stays: ${refused}`);
      this.#meter.event('manifest.refused', { title: 'manifest refused', text: refused ?? '' }, {});
    }
    return news;
  }

  #reachable(view: ControllerView): void {
    if (view.state === 'reachable') {
      if (view.refused === undefined) this.#confirmed_ms = Date.now();
      if (this.#state === 'away') this.#log.notice('the controller answers again');
    } else if (view.state === 'away' && this.#state !== 'away') {
      this.#log.warning(`the controller is away, going on with the last good manifest: ${view.error ?? ''}`);
    }
    this.#state = view.state;
  }
}

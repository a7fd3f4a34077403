import {
  type CheckName,
  type CheckStatus,
  type EventName,
  type EventTags,
  events,
  type MetricName,
  type MetricNameOf,
  type MetricTags,
  type MetricType,
  metrics,
  type Sample,
} from './catalog.ts';

export interface EventText {
  readonly title: string;
  /** Secrets masked. */
  readonly text: string;
}

export interface EmittedEvent extends EventText {
  readonly name: EventName;
  readonly alertType: 'info' | 'warning' | 'success' | 'error';
  readonly tags: Readonly<Record<string, string>>;
}

/** Where measurements go: the status page's `/metrics`, DogStatsD. A sink never throws. */
export interface Sink {
  sample(sample: Sample): void;
  event(event: EmittedEvent): void;
  check(name: CheckName, status: CheckStatus, message: string): void;
}

/** The one way to emit: a name or a tag that the catalog does not have does not compile. */
export class Meter {
  readonly #sinks = new Set<Sink>();

  add(sink: Sink): void {
    this.#sinks.add(sink);
  }

  remove(sink: Sink): void {
    this.#sinks.delete(sink);
  }

  gauge<N extends MetricNameOf<'gauge'>>(name: N, value: number, tags: MetricTags<N>): void {
    this.#sample(name, value, tags);
  }

  count<N extends MetricNameOf<'count'>>(name: N, value: number, tags: MetricTags<N>): void {
    this.#sample(name, value, tags);
  }

  histogram<N extends MetricNameOf<'histogram'>>(name: N, value: number, tags: MetricTags<N>): void {
    this.#sample(name, value, tags);
  }

  event<N extends EventName>(name: N, { title, text }: EventText, tags: EventTags<N>): void {
    for (const sink of this.#sinks) {
      sink.event({ name, title, text, alertType: events[name].alertType, tags: plain(tags) });
    }
  }

  check(name: CheckName, status: CheckStatus, message = ''): void {
    for (const sink of this.#sinks) sink.check(name, status, message);
  }

  #sample(name: MetricName, value: number, tags: object): void {
    const type: MetricType = metrics[name].type;
    for (const sink of this.#sinks) sink.sample({ name, type, value, tags: plain(tags) });
  }
}

function plain(tags: object): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, String(value)]));
}

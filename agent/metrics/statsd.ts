import type { StatsD } from 'hot-shots';
import type { CheckName, CheckStatus, Sample } from './catalog.ts';
import type { EmittedEvent, Sink } from './meter.ts';

export interface StatsdOptions {
  readonly host: string;
  readonly port: number;
  readonly prefix: string;
  /** On everything that is sent; never one named `host`. */
  readonly tags: readonly string[];
  readonly onError: (error: Error) => void;
}

/** Of a datagram; the Datadog Agent's own default for UDP. */
const PACKET_BYTES = 1432;
const FLUSH_MS = 1000;
/** A longer event does not fit into one datagram. */
const EVENT_CHARACTERS = 1000;
const CLOSE_BOUND_MS = 2000;

const CHECK_CODES = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const satisfies Record<CheckStatus, number>;

/** Sends to DogStatsD over UDP. hot-shots is loaded only here, when somebody listens: it costs several megabytes. */
export class StatsdSink implements Sink {
  readonly #client: StatsD;
  readonly #prefix: string;

  private constructor(client: StatsD, prefix: string) {
    this.#client = client;
    this.#prefix = prefix;
  }

  static async open({ host, port, prefix, tags, onError }: StatsdOptions): Promise<StatsdSink> {
    const { StatsD: Client } = await import('hot-shots');
    const client = new Client({
      host,
      port,
      // We prefix ourselves: hot-shots would put its prefix before the titles of events, too.
      prefix: '',
      globalTags: [...tags],
      includeDataDogTags: false,
      maxBufferSize: PACKET_BYTES,
      bufferFlushInterval: FLUSH_MS,
      errorHandler: onError,
    });
    return new StatsdSink(client, prefix);
  }

  sample({ name, type, value, tags }: Sample): void {
    const full = `${this.#prefix}${name}`;
    if (type === 'gauge') this.#client.gauge(full, value, { ...tags });
    else if (type === 'count') this.#client.increment(full, value, { ...tags });
    else this.#client.histogram(full, value, { ...tags });
  }

  event({ name, title, text, alertType, tags }: EmittedEvent): void {
    const options = { alert_type: alertType, source_type_name: 'holdfast', aggregation_key: `${this.#prefix}${name}` };
    this.#client.event(ascii(title).slice(0, 100), ascii(text).slice(0, EVENT_CHARACTERS), options, {
      ...tags,
      holdfast_event: name,
    });
  }

  check(name: CheckName, status: CheckStatus, message: string): void {
    const options = message === '' ? {} : { message: checkMessage(message) };
    this.#client.check(`${this.#prefix}${name}`, CHECK_CODES[status], options);
  }

  /** Sends what is buffered; what was emitted within the flush interval before an exit would be lost otherwise. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_BOUND_MS);
    this.#client.close(() => resolve());
    await promise;
    clearTimeout(timer);
  }
}

/** hot-shots announces lengths in JavaScript characters where the protocol wants bytes: only ASCII is right in both. */
export function ascii(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/[\u2018\u2019]/g, "'")
    .replaceAll(/[\u201c\u201d]/g, '"')
    .replaceAll('\u2026', '...')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^\t\n\x20-\x7e]/gu, '?');
}

/** hot-shots passes a check's message on as it is: a line break would end the datagram's line, `|` and `m:` its field. */
function checkMessage(message: string): string {
  return ascii(message).replaceAll(/\s+/g, ' ').replaceAll('|', '/').replaceAll('m:', 'm;').slice(0, 500);
}

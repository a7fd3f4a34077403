import { createHash } from 'node:crypto';
import { decodeManifest, type Manifest, ManifestError } from '../../desired-state/schema/manifest.ts';
import type { PauseState } from '../../desired-state/schema/report.ts';
import { Backoff } from './backoff.ts';
import { type ControllerClient, ControllerError, type ManifestAnswer, type Withheld } from './controller-client.ts';

/** How the controller and its manifests look from here; plain data for the status. */
export interface ControllerView {
  /** `none`: no controller is configured; `unknown`: not asked yet. */
  readonly state: 'none' | 'unknown' | 'reachable' | 'away';
  /** Since when it is in that state, in milliseconds since the epoch. */
  readonly since_ms: number;
  readonly lastAnswer_ms?: number;
  /** Present while it is away. */
  readonly error?: string;
  /** When it is asked again; present while it is away. */
  readonly nextTry_ms?: number;
  /** What it last offered; the running one where that was accepted. */
  readonly offered?: { readonly revision: string; readonly at_ms: number };
  /** Present while the controller itself refuses to serve a newer revision. */
  readonly withheld?: Withheld;
  /** Present while the last offer is refused. */
  readonly refused?: { readonly reason: string; readonly revision?: string; readonly since_ms: number };
}

export interface FollowOptions {
  readonly client: ControllerClient;
  readonly host: string;
  /** What runs now; a manifest that is outdated beside it is refused. */
  readonly running: () => Manifest | undefined;
  /** The text that runs now, by its hash. */
  readonly runningHash: () => string | undefined;
  /** Takes a good manifest. What it throws counts as a refusal. */
  readonly accept: (manifest: Manifest, text: string) => Promise<void>;
  /** Asked to look at a manifest without taking it. */
  readonly onPreview: (id: string, text: string) => void;
  /** Told with each answer what the controller says of pauses. */
  readonly onPause: (order: PauseState | undefined) => void;
  /** Told when the view changed in a way that people care about. */
  readonly onChange: (view: ControllerView) => void;
  /** Resolves when no report is on its way, within the bound of a report's own; with whether one got no answer. */
  readonly reported?: () => Promise<boolean>;
  readonly random?: () => number;
  /** Parses and checks a manifest; a crowd of simulated agents in one process has no time for the whole of it. */
  readonly decode?: typeof decodeManifest;
}

/** How long a request is held, and at most so much less: agents that started together drift apart. */
const HOLD_MS = 55_000;
const HOLD_JITTER_MS = 10_000;
const BACKOFF = { first_ms: 10_000, max_ms: 60_000 } as const;
/** A controller that answers a held request at once does not hold: then we ask no more often than this. */
const NOT_HELD_PAUSE_MS = 10_000;
const HELD_AT_LEAST_MS = 1_000;
/**
 * A new manifest is run before the next one can be: its report goes first, on the connection that is there, since a held
 * request would make the report open another one, and a TLS handshake costs the controller more than all the rest. A run
 * that takes longer is not waited for; a report that is on its way is. `nudge` ends the wait.
 */
const REPORTED_FIRST_MS = 5_000;

/** Follows the controller's manifests for ever: asks, is held, judges, and backs off when the controller is away. */
export class Follower {
  readonly #options: FollowOptions;
  readonly #backoff: Backoff;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  #view: ControllerView = { state: 'unknown', since_ms: Date.now() };
  #etag: string | undefined;
  /** `since_ms` of the pause that the controller has ordered, or `none`. */
  #order = 'none';
  /** Why it withholds a revision: an answer with another reason was worth its while, however soon it came. */
  #reason = '';
  #isUnreachable = false;
  #ended: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#backoff = new Backoff({ ...BACKOFF, random: this.#random });
  }

  get view(): ControllerView {
    return this.#view;
  }

  /** Whether there was no answer at all when it last asked: whoever else tries pays for a connection, and gets none either. */
  get isUnreachable(): boolean {
    return this.#isUnreachable;
  }

  start(): void {
    this.#ended = this.#follow();
  }

  /** Asks at once where it waits for the next try. */
  nudge(): void {
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#ended;
  }

  async #follow(): Promise<void> {
    for (let isOwed = false; !this.#stop.signal.aborted; ) {
      const delay_ms = await this.#askOnce(isOwed);
      if (delay_ms > 0) await this.#sleep(delay_ms);
      const gotNoAnswer = (await this.#options.reported?.()) === true;
      // Once: a report that fails whatever is done for it must not keep requests from being held. While the controller is away, none is.
      isOwed = gotNoAnswer && !isOwed && this.#view.state === 'reachable';
      // Where that got no answer, this would get none either now.
      if (isOwed) await this.#sleep(this.#backoff.next_ms());
    }
  }

  /** Resolves with how long to wait before the next request. */
  async #askOnce(isOwed: boolean): Promise<number> {
    // The first answer comes at once, so that a host that boots does not wait; and so that a report that is owed finds a connection.
    const hold = this.#view.state === 'reachable' && !isOwed;
    const wait_ms = hold ? HOLD_MS - Math.round(this.#random() * HOLD_JITTER_MS) : 0;
    const asked = performance.now();
    let answer: ManifestAnswer;
    try {
      answer = await this.#options.client.manifest({
        etag: this.#etag,
        wait_ms,
        pauseKnown: this.#order,
        signal: this.#stop.signal,
      });
    } catch (error) {
      return this.#away(error);
    }
    const { text, etag, revision, withheld, pause, preview } = answer;
    this.#answered(text === undefined ? revision : undefined, withheld);
    if (pause !== undefined) this.#options.onPause(pause === 'none' ? undefined : pause);
    if (text !== undefined) return this.#judge(text, etag);
    this.#backoff.reset();
    const order = pause === undefined || pause === 'none' ? 'none' : String(pause.since_ms);
    const reason = withheld === undefined ? '' : `${withheld.revision} ${withheld.reason}`;
    const news = order !== this.#order || reason !== this.#reason || preview !== undefined;
    this.#order = order;
    this.#reason = reason;
    if (preview !== undefined) this.#options.onPreview(preview.id, preview.text);
    const heldLongEnough = news || !hold || performance.now() - asked >= HELD_AT_LEAST_MS;
    return heldLongEnough ? 0 : Math.round(this.#random() * NOT_HELD_PAUSE_MS);
  }

  #away(error: unknown): number {
    if (this.#stop.signal.aborted) return 0;
    this.#isUnreachable = error instanceof ControllerError && error.status === 0;
    const delay_ms = this.#backoff.next_ms(error instanceof ControllerError ? error.retryAfter_ms : 0);
    const now = Date.now();
    const { lastAnswer_ms, offered, refused, withheld } = this.#view;
    this.#update({
      state: 'away',
      since_ms: this.#view.state === 'away' ? this.#view.since_ms : now,
      error: reasonOf(error),
      nextTry_ms: now + delay_ms,
      ...(lastAnswer_ms === undefined ? {} : { lastAnswer_ms }),
      ...(offered === undefined ? {} : { offered }),
      ...(refused === undefined ? {} : { refused }),
      ...(withheld === undefined ? {} : { withheld }),
    });
    return delay_ms;
  }

  /** `revision`: it is wanted, and means what we have already (or refuse already). */
  #answered(revision: string | undefined, withheld: Withheld | undefined): void {
    this.#isUnreachable = false;
    const now = Date.now();
    const { state, since_ms, error: _error, nextTry_ms: _nextTry, withheld: _withheld, ...rest } = this.#view;
    this.#update({
      ...rest,
      state: 'reachable',
      since_ms: state === 'reachable' ? since_ms : now,
      lastAnswer_ms: now,
      ...(revision === undefined || revision === rest.offered?.revision ? {} : { offered: { revision, at_ms: now } }),
      ...(withheld === undefined ? {} : { withheld }),
    });
  }

  async #judge(text: string, etag: string | undefined): Promise<number> {
    this.#etag = etag;
    const at_ms = Date.now();
    const { refused: _refused, ...rest } = this.#view;
    let manifest: Manifest | undefined;
    try {
      const { host, running, decode = decodeManifest } = this.#options;
      manifest = judgeManifest(decode(text), host, running());
      const isNews = hashOf(text) !== this.#options.runningHash();
      if (isNews) await this.#options.accept(manifest, text);
      this.#update({ ...rest, offered: { revision: manifest.revision, at_ms } });
      this.#backoff.reset();
      return isNews ? REPORTED_FIRST_MS : 0;
    } catch (error) {
      if (this.#stop.signal.aborted) return 0;
      const revision = manifest?.revision ?? (error instanceof RefusedManifest ? error.revision : undefined);
      const since_ms = this.#view.refused?.since_ms ?? at_ms;
      const refused = { reason: reasonOf(error), since_ms, ...(revision === undefined ? {} : { revision }) };
      this.#update({
        ...rest,
        ...(revision === undefined ? {} : { offered: { revision, at_ms } }),
        refused,
      });
      // With an ETag the next request is held until there is another one; without, it would come back at once.
      return etag === undefined ? this.#backoff.next_ms() : 0;
    }
  }

  #update(view: ControllerView): void {
    this.#view = view;
    this.#options.onChange(view);
  }

  #sleep(delay_ms: number): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delay_ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** A manifest that may not run here; carries its revision where that could be read. */
class RefusedManifest extends ManifestError {
  readonly revision: string;

  constructor(message: string, revision: string) {
    super(message);
    this.revision = revision;
  }
}

/** Refuses what is not for this host, or older than what runs. Throws `ManifestError`. */
function judgeManifest(manifest: Manifest, host: string, running: Manifest | undefined): Manifest {
  const { revision, sequence } = manifest;
  if (manifest.host !== host) {
    throw new RefusedManifest(`the manifest is of host "${manifest.host}" and this host is "${host}"`, revision);
  }
  const current = running?.sequence;
  if (sequence !== undefined && current !== undefined && sequence < current) {
    throw new RefusedManifest(
      `the controller serves an outdated revision: ${revision} has sequence ${sequence}, ${running?.revision} runs with ${current}`,
      revision,
    );
  }
  return manifest;
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

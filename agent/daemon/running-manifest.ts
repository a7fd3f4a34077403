import type { Manifest } from '../../desired-state/schema/manifest.ts';
import type { Engine, Recollection } from '../engine/engine.ts';
import type { Meter } from '../metrics/meter.ts';
import { hashOf } from './follow.ts';
import type { Log } from './log.ts';
import { readCachedManifest, writeCachedManifest } from './manifest-cache.ts';
import type { Problems } from './problems.ts';
import type { StateFiles } from './state-files.ts';

export interface RunningManifestOptions {
  readonly host: string;
  readonly engine: Pick<Engine, 'load'>;
  readonly files: StateFiles;
  readonly log: Log;
  readonly meter: Meter;
  readonly problems: Problems;
  /** What an earlier process learned under the manifest that it left. */
  readonly recollection: () => Promise<Recollection | undefined>;
  /** Asks for a run, before which an offered manifest is taken. */
  readonly onOffered: () => void;
  /** Told when the engine has taken one: all else follows its settings. */
  readonly onTaken: (manifest: Manifest) => Promise<void>;
}

interface Offer {
  readonly manifest: Manifest;
  readonly text: string;
  readonly taken: () => void;
  readonly refused: (error: unknown) => void;
}

const STOPS = 'the agent stops';

/** The manifest that runs here: from the cache at the start, from the controller later, and never changed during a run. */
export class RunningManifest {
  readonly #options: RunningManifestOptions;
  #current: Manifest | undefined;
  #hash: string | undefined;
  #offer: Offer | undefined;
  #closed = false;

  constructor(options: RunningManifestOptions) {
    this.#options = options;
  }

  get current(): Manifest | undefined {
    return this.#current;
  }

  /** Of its text. */
  get hash(): string | undefined {
    return this.#hash;
  }

  /** Whether another one waits for the end of the run under way. */
  get isOffered(): boolean {
    return this.#offer !== undefined;
  }

  /** Takes up what an earlier process left. Resolves to whether there was a manifest. */
  async restore(): Promise<boolean> {
    const { host, files, log, problems, recollection } = this.#options;
    const { manifest, text, problem } = await readCachedManifest(files, host);
    if (problem !== undefined) {
      log.error(problem);
      problems.tell('cache', problem);
    }
    if (manifest === undefined || text === undefined) return false;
    await this.#load(manifest, text, await recollection()).catch((error: unknown) =>
      problems.tell('cache', `the cached manifest cannot be used: ${reasonOf(error)}`),
    );
    return true;
  }

  /** Resolves when it was taken, between two runs. Rejects when the engine refuses it, or no run comes any more. */
  offer(manifest: Manifest, text: string): Promise<void> {
    if (this.#closed) return Promise.reject(new Error(STOPS));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#offer = { manifest, text, taken: resolve, refused: reject };
    this.#options.onOffered();
    return promise;
  }

  /** To be called when there will be no other run: what is offered now is taken by the next process. */
  close(): void {
    this.#closed = true;
    this.#offer?.refused(new Error(STOPS));
    this.#offer = undefined;
  }

  /** To be called when no run is under way. */
  async takeOffered(): Promise<void> {
    const offer = this.#offer;
    if (offer === undefined) return;
    this.#offer = undefined;
    const before = this.#current?.revision;
    try {
      await this.#load(offer.manifest, offer.text, undefined);
    } catch (error) {
      offer.refused(error);
      return;
    }
    this.#tellRevision(offer.manifest.revision, before);
    await this.#cache(offer.text);
    offer.taken();
  }

  async #load(manifest: Manifest, text: string, recollection: Recollection | undefined): Promise<void> {
    const { engine, onTaken } = this.#options;
    engine.load(manifest, recollection);
    this.#current = manifest;
    this.#hash = hashOf(text);
    await onTaken(manifest);
  }

  #tellRevision(revision: string, before: string | undefined): void {
    if (before === revision) return;
    const { log, meter } = this.#options;
    log.notice(`revision ${revision} taken${before === undefined ? '' : ` (was ${before})`}`);
    meter.event('revision.changed', { title: `revision ${revision}`, text: `was ${before ?? 'none'}` }, {});
  }

  async #cache(text: string): Promise<void> {
    const { files, log, problems } = this.#options;
    try {
      await writeCachedManifest(files, text);
      problems.over('cache');
    } catch (error) {
      // It runs all the same; only a restart without the controller would fall back to the one before.
      const message = `the manifest is kept in memory only: ${reasonOf(error)}`;
      log.error(message);
      problems.tell('cache', message);
    }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

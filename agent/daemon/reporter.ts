import * as v from 'valibot';
import { type PastEntry, type Report, reportSchema } from '../../desired-state/schema/report.ts';
import type { RunResult } from '../engine/types.ts';
import { Backoff } from './backoff.ts';
import { type ControllerClient, ControllerError } from './controller-client.ts';
import { fit, noteworthy, outcomeKey, type ReportHead, reportedResource } from './report.ts';
import type { StateFiles } from './state-files.ts';

export interface ReporterOptions {
  readonly client: Pick<ControllerClient, 'report'>;
  readonly files: Pick<StateFiles, 'read' | 'write' | 'remove'>;
  readonly head: () => Promise<ReportHead>;
  readonly onProblem: (message: string) => void;
  readonly onDropped: (entries: number) => void;
  /** Whether the controller is known to be unreachable: then nothing is tried until it is `reached`. */
  readonly isUnreachable?: () => boolean;
  /** The controller knows now what was to be told when the report began. */
  readonly onTold?: () => void;
  readonly random?: () => number;
}

const HEARTBEAT_MS = 5 * 60_000;
/** Each heartbeat comes up to so much earlier: hosts that started together drift apart. */
const HEARTBEAT_JITTER_MS = 60_000;
const BACKOFF = { first_ms: 10_000, max_ms: 60_000 } as const;
/** About 200 KB at 1 KB each, on disk and in memory, however long the controller is away. */
const MAX_PAST = 200;
const MAX_PAST_BYTES = 512 * 1024;
const SPOOL = 'reports.json';
const pastSchema = reportSchema.entries.past;
/** Bad request, too large, not understood. */
const UNWANTED: ReadonlySet<number> = new Set([400, 413, 422]);

/** Tells the controller how the host is: after each run that differs from the one before, and as a heartbeat. */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #backoff: Backoff;
  readonly #random: () => number;
  #past: PastEntry[] = [];
  #dropped = 0;
  #run: RunResult | undefined;
  #key = '';
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #again = false;
  #started = false;
  #stopped = false;
  #failing = false;
  #complained = false;
  /** The last one got no answer at all. */
  #unreached = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#backoff = new Backoff({ ...BACKOFF, random: this.#random });
  }

  /** Takes up what an earlier process could not deliver. A damaged spool is dropped: it is history. */
  async restore(): Promise<void> {
    try {
      const text = await this.#options.files.read(SPOOL);
      if (text === undefined) return;
      const past = v.safeParse(pastSchema, JSON.parse(text));
      if (past.success) this.#remember(past.output);
    } catch {
      this.#options.onProblem('the spool of reports was damaged and is dropped');
    }
  }

  /** Begins the heartbeat, unless it has begun; the first report comes at once. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#send();
  }

  /**
   * The controller answers who asks it for manifests. What could not be told goes at once, on the connection that is there
   * by then: after a restart, each report would take a handshake of its own.
   */
  reached(): void {
    if (this.#unreached && this.#sending === undefined && !this.#stopped) this.#deliver();
  }

  /** Takes in a run; sends when it says something new, or `urgent` (a revision, a pause) asks for it. */
  note(run: RunResult): void {
    this.#run = run;
    const news = noteworthy(run);
    this.#remember(news);
    const key = outcomeKey(run);
    if (key === this.#key && news.length === 0) return;
    this.#key = key;
    this.#send();
  }

  /** Something beside a run changed: a pause, a refused manifest. */
  changed(): void {
    this.#send();
  }

  /** Resolves when the report that is on its way, if any, has arrived or failed; with whether the last one got no answer. */
  async settled(): Promise<boolean> {
    await this.#sending;
    return this.#unreached;
  }

  /** Keeps on disk what was not delivered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#sending;
    await this.#spool();
  }

  #remember(entries: readonly PastEntry[]): void {
    this.#past.push(...entries);
    let bytes = JSON.stringify(this.#past).length;
    let dropped = 0;
    while (this.#past.length > MAX_PAST || (bytes > MAX_PAST_BYTES && this.#past.length > 1)) {
      bytes -= JSON.stringify(this.#past.shift()).length;
      dropped += 1;
    }
    if (dropped === 0) return;
    this.#dropped += dropped;
    this.#options.onDropped(dropped);
  }

  #send(): void {
    if (this.#stopped || !this.#started) return;
    if (this.#sending !== undefined) {
      this.#again = true;
      return;
    }
    // While the controller is away the retry that waits already will carry this, too.
    if (this.#failing) return;
    this.#deliver();
  }

  #deliver(): void {
    clearTimeout(this.#timer);
    this.#sending = this.#deliverOnce().finally(() => {
      this.#sending = undefined;
      if (this.#again && !this.#failing && !this.#stopped) this.#deliver();
    });
  }

  async #deliverOnce(): Promise<void> {
    this.#again = false;
    const told = new Set(this.#past);
    const pastDropped = this.#dropped;
    const isAway = this.#options.isUnreachable?.() === true;
    let delay_ms = HEARTBEAT_MS - this.#random() * HEARTBEAT_JITTER_MS;
    try {
      if (isAway) throw new ControllerError('the controller is away');
      await this.#options.client.report(fit(await this.#build([...told])));
      this.#past = this.#past.filter((entry) => !told.has(entry));
      this.#dropped -= pastDropped;
      this.#backoff.reset();
      if (this.#failing) await this.#spool();
      this.#failing = false;
      this.#unreached = false;
      this.#complained = false;
      this.#options.onTold?.();
    } catch (error) {
      delay_ms = this.#backoff.next_ms();
      // The controller does not want this body: telling it again and again would keep all later ones back.
      if (error instanceof ControllerError && UNWANTED.has(error.status)) this.#drop(told);
      // That nobody answers is told by who asks for manifests.
      if (!this.#complained && !isAway) {
        this.#complained = true;
        this.#options.onProblem(error instanceof Error ? error.message : String(error));
      }
      this.#failing = true;
      this.#unreached = error instanceof ControllerError && error.status === 0;
      await this.#spool();
    }
    if (!this.#stopped) this.#timer = setTimeout(() => this.#deliver(), delay_ms);
  }

  #drop(entries: ReadonlySet<PastEntry>): void {
    this.#past = this.#past.filter((entry) => !entries.has(entry));
    this.#dropped += entries.size;
    this.#options.onDropped(entries.size);
  }

  async #build(past: readonly PastEntry[]): Promise<Report> {
    const head = await this.#options.head();
    const run = this.#run;
    return {
      ...head,
      sentAt_ms: Date.now(),
      ...(run === undefined
        ? {}
        : {
            run: {
              revision: run.revision,
              ...(run.sequence === undefined ? {} : { sequence: run.sequence }),
              dryRun: run.dryRun,
              started_ms: run.started_ms,
              duration_ms: run.duration_ms,
              resources: run.resources.map(reportedResource),
            },
          }),
      past: [...past],
      pastDropped: this.#dropped,
    };
  }

  async #spool(): Promise<void> {
    const { files, onProblem } = this.#options;
    try {
      if (this.#past.length === 0) await files.remove(SPOOL);
      else await files.write(SPOOL, JSON.stringify(this.#past));
    } catch (error) {
      onProblem(`reports are kept in memory only: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

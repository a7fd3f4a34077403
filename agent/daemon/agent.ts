import type { Manifest } from '../../desired-state/schema/manifest.ts';
import type { Report } from '../../desired-state/schema/report.ts';
import { collectFragments } from '../../desired-state/schema/secret.ts';
import type { Engine, Recollection } from '../engine/engine.ts';
import { type RunResult, refText } from '../engine/types.ts';
import type { CheckStatus, Trigger } from '../metrics/catalog.ts';
import type { Meter } from '../metrics/meter.ts';
import type { AgentConfig } from './config.ts';
import type { ControllerClient } from './controller-client.ts';
import type { FactSource } from './facts.ts';
import { type ControllerView, Follower, hashOf } from './follow.ts';
import type { Log } from './log.ts';
import { readCachedManifest, writeCachedManifest } from './manifest-cache.ts';
import { Pause, type PauseRequest, type PauseState } from './pause.ts';
import { Previews } from './previews.ts';
import { ReconcileLoop } from './reconcile-loop.ts';
import { cut } from './report.ts';
import { Reporter } from './reporter.ts';
import { forgetAbsent, RunEffects } from './run-effects.ts';
import { Schedule } from './schedule.ts';
import type { StateFiles } from './state-files.ts';
import {
  type AgentStatus,
  countStatuses,
  type LastChange,
  type LastRun,
  resourceView,
  triedChange,
  type Verdict,
  verdictOf,
} from './status.ts';
import { Watches } from './watches.ts';

export interface AgentParts {
  readonly config: AgentConfig;
  readonly version: string;
  readonly engine: Engine;
  /** For previews: it can look and change nothing. */
  readonly looker: () => Engine;
  readonly files: StateFiles;
  /** Absent where no controller is configured. */
  readonly client: ControllerClient | undefined;
  readonly log: Log;
  readonly meter: Meter;
  readonly facts: Pick<FactSource, 'read'>;
  readonly recollection: (text: string | undefined) => Recollection | undefined;
  /** Told when a manifest was taken: ports and sinks follow its settings. */
  readonly onManifest: (manifest: Manifest) => Promise<void>;
  /** Told after each run and when anything that people look at has changed. */
  readonly onStatus: () => void;
  readonly random?: () => number;
}

const RECOLLECTION = 'converged.json';
/** No resource takes this long without a sign of life: each process that a port starts has a shorter bound. */
const STUCK_MS = 3_600_000;
const OVERDUE_MS = 5 * 60_000;
/** After a run that could not be done at all, such as when `run --once` keeps the lock. */
const RUN_RETRY_MS = 15_000;

interface Incoming {
  readonly manifest: Manifest;
  readonly text: string;
  readonly taken: () => void;
  readonly refused: (error: unknown) => void;
}

/** The daemon without its sockets: follows the controller, runs the engine when something asks for a look, and tells how it went. */
export class Agent {
  readonly #parts: AgentParts;
  readonly #started_ms = Date.now();
  readonly #loop: ReconcileLoop;
  readonly #schedule: Schedule;
  readonly #watches: Watches;
  readonly #pause: Pause;
  readonly #effects: RunEffects;
  readonly #follower: Follower | undefined;
  readonly #reporter: Reporter | undefined;
  readonly #lastChanges = new Map<string, LastChange>();
  readonly #problems = new Map<string, string>();
  #incoming: Incoming | undefined;
  #manifest: Manifest | undefined;
  #manifestHash: string | undefined;
  #confirmed_ms: number | undefined;
  #run: RunResult | undefined;
  #lastRun: LastRun | undefined;
  #runError: { readonly at_ms: number; readonly message: string } | undefined;
  #doing: string | undefined;
  #progress_ms = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  /** What is on disk. */
  #recollected: string | undefined;
  #recollection: Recollection | undefined;
  #controllerState: ControllerView['state'] = 'none';
  #refusedReason: string | undefined;
  #withheldReason: string | undefined;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    const { config, files, client, log, meter, random } = parts;
    this.#effects = new RunEffects({ log, meter });
    this.#loop = new ReconcileLoop({
      run: (trigger) => this.#reconcile(trigger),
      onError: (error) => log.error(`a mistake of the agent's own: ${stackOf(error)}`),
    });
    this.#schedule = new Schedule({
      host: config.host,
      run: () => void this.#loop.request('schedule'),
      onError: (message) => this.#problem('schedule', message),
    });
    this.#watches = new Watches({
      trigger: () => void this.#loop.request('watch'),
      onProblem: (message) => this.#problem('watches', message),
    });
    this.#pause = new Pause({ files, onExpired: (pause) => this.#resumed('by itself', pause) });
    if (client === undefined) return;
    const previews = new Previews({
      host: config.host,
      engine: parts.looker,
      send: (id, preview) => client.preview(id, preview),
      onProblem: (message) => log.warning(message),
    });
    this.#follower = new Follower({
      client,
      host: config.host,
      running: () => this.#manifest,
      runningHash: () => this.#manifestHash,
      accept: (manifest, text) => this.#accept(manifest, text),
      onChange: (view) => this.#controllerChanged(view),
      onPreview: (id, text) => void previews.ask(id, text),
      onPause: (order) => void this.#followPause(order),
      ...(random === undefined ? {} : { random }),
    });
    this.#reporter = new Reporter({
      client,
      files,
      head: () => this.#reportHead(),
      onProblem: (message) => log.warning(`the controller was not told how this host is: ${message}`),
      onDropped: (entries) => meter.count('reports.dropped', entries, {}),
      onTold: () => this.#follower?.nudge(),
      ...(random === undefined ? {} : { random }),
    });
  }

  /** Takes up what an earlier process left, and begins. */
  async start(): Promise<void> {
    const { log, meter, files, config } = this.#parts;
    meter.count('agent.starts', 1, {});
    const damaged = await this.#pause.restore();
    if (damaged !== undefined) log.warning(damaged);
    await this.#reporter?.restore();
    const { manifest, text, problem } = await readCachedManifest(files, config.host);
    if (problem !== undefined) {
      log.error(problem);
      this.#problem('cache', problem);
    }
    if (manifest !== undefined && text !== undefined) {
      this.#recollected = await files.read(RECOLLECTION).catch(() => undefined);
      await this.#load(manifest, text, this.#parts.recollection(this.#recollected)).catch((error: unknown) =>
        this.#problem('cache', `the cached manifest cannot be used: ${reasonOf(error)}`),
      );
    } else if (this.#follower === undefined) {
      this.#problem(
        'cache',
        'there is neither a manifest nor a controller: set "controller" in /etc/holdfast/agent.json',
      );
    }
    void this.#loop.request('start');
    this.#follower?.start();
  }

  /** Lets a run under way end, and keeps what has to outlive the process. */
  async stop(): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#schedule.stop();
    this.#watches.close();
    this.#pause.close();
    await Promise.all([this.#follower?.stop(), this.#loop.stop()]);
    await this.#reporter?.stop();
  }

  /** Resolves when a run that began after the call has ended. A controller that is away is asked at once, too. */
  reconcile(): Promise<void> {
    this.#follower?.nudge();
    return this.#loop.request('command');
  }

  async pause(request: PauseRequest): Promise<PauseState> {
    const pause = await this.#pause.set(request);
    this.#paused(pause);
    return pause;
  }

  async resume(by: string): Promise<PauseState | undefined> {
    const ended = await this.#pause.end();
    if (ended !== undefined) this.#resumed(`by ${by}`, ended);
    return ended;
  }

  /** What is wrong with the loop; empty when it is healthy. The watchdog is fed only then. */
  ailments(): readonly string[] {
    const now = Date.now();
    const { running } = this.#loop;
    const due_ms = this.#schedule.next_ms;
    if (running !== undefined && now - Math.max(this.#progress_ms, running.since_ms) > STUCK_MS) {
      return [`the run under way shows no sign of life for an hour (${this.#doing ?? 'looking'})`];
    }
    if (running === undefined && due_ms !== undefined && now - due_ms > OVERDUE_MS) return ['the schedule is overdue'];
    return [];
  }

  /** Where the manifest wants the status page; `undefined` without a manifest. */
  get statusPort(): number | undefined {
    return this.#manifest?.agent.statusPort;
  }

  /** What a heartbeat says, beside what changes say as they happen. */
  heartbeat(): void {
    const { meter } = this.#parts;
    meter.gauge('agent.rss', process.memoryUsage.rss(), {});
    this.#beat();
  }

  status(): AgentStatus {
    const { config, version } = this.#parts;
    const manifest = this.#manifest;
    const { running } = this.#loop;
    const pause = this.#pause.current;
    const next_ms = this.#schedule.next_ms;
    const nextRetry_ms = manifest === undefined ? undefined : this.#parts.engine.nextRetry_ms();
    return {
      host: config.host,
      agentVersion: version,
      pid: process.pid,
      started_ms: this.#started_ms,
      verdict: this.verdict(),
      ...(manifest === undefined
        ? {}
        : { mode: manifest.mode, environment: manifest.environment, roles: manifest.roles }),
      revision: this.#revisions(),
      controller: this.#view(),
      ...(pause === undefined ? {} : { pause }),
      run: {
        ...(running === undefined
          ? {}
          : { current: { ...running, ...(this.#doing === undefined ? {} : { doing: this.#doing }) } }),
        ...(this.#lastRun === undefined ? {} : { last: this.#lastRun }),
        ...(this.#runError === undefined ? {} : { error: this.#runError }),
        ...(next_ms === undefined ? {} : { next_ms }),
        ...(nextRetry_ms === undefined ? {} : { nextRetry_ms }),
      },
      resources: (this.#run?.resources ?? []).map((result) =>
        resourceView(result, this.#lastChanges.get(refText(result))),
      ),
      problems: [...this.#problems.values()],
    };
  }

  verdict(): Verdict {
    if (this.#run === undefined || this.#runError !== undefined) {
      return this.#runError === undefined ? 'unknown' : 'failing';
    }
    return verdictOf(this.#run);
  }

  async #reconcile(trigger: Trigger): Promise<void> {
    const { engine, log } = this.#parts;
    clearTimeout(this.#retryTimer);
    await this.#takeIncoming();
    const manifest = this.#manifest;
    if (manifest === undefined) return;
    this.#progress_ms = Date.now();
    let run: RunResult;
    try {
      run = await engine.reconcile({
        dryRun: this.#pause.current !== undefined,
        onChange: (ref, summary) => {
          this.#progress_ms = Date.now();
          this.#doing = `${refText(ref)}: ${summary}`;
        },
        onResource: () => {
          this.#progress_ms = Date.now();
        },
      });
    } catch (error) {
      const message = reasonOf(error);
      if (this.#runError?.message !== message) this.#effects.failed(message, trigger);
      this.#runError = { at_ms: Date.now(), message };
      this.#retryTimer = setTimeout(() => void this.#loop.request('retry'), RUN_RETRY_MS);
      this.#parts.onStatus();
      return;
    } finally {
      this.#doing = undefined;
    }
    this.#runError = undefined;
    this.#ended(run, trigger);
    await this.#recollect().catch((error: unknown) =>
      log.warning(`what was learned is kept in memory only: ${reasonOf(error)}`),
    );
  }

  #ended(run: RunResult, trigger: Trigger): void {
    this.#run = run;
    const { revision, started_ms, duration_ms, dryRun } = run;
    this.#lastRun = { trigger, revision, started_ms, duration_ms, dryRun, counts: countStatuses(run) };
    for (const result of run.resources) {
      const change = triedChange(result, run);
      if (change !== undefined) this.#lastChanges.set(refText(result), change);
    }
    forgetAbsent(this.#lastChanges, run);
    this.#effects.ended(run, trigger);
    this.#watches.refresh();
    this.#planRetry();
    this.#beat();
    this.#reporter?.note(run);
    this.#parts.onStatus();
  }

  #planRetry(): void {
    const due_ms = this.#parts.engine.nextRetry_ms();
    if (due_ms === undefined) return;
    // A retry that the run has just not taken (paused) is looked at by the schedule.
    const wait_ms = Math.max(due_ms - Date.now(), this.#pause.current === undefined ? 0 : RUN_RETRY_MS) + 1;
    this.#retryTimer = setTimeout(() => void this.#loop.request('retry'), wait_ms);
  }

  /** Hands a manifest to the loop, which takes it between two runs. Rejects when the engine refuses it. */
  #accept(manifest: Manifest, text: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#incoming = { manifest, text, taken: resolve, refused: reject };
    void this.#loop.request('revision');
    return promise;
  }

  async #takeIncoming(): Promise<void> {
    const incoming = this.#incoming;
    if (incoming === undefined) return;
    this.#incoming = undefined;
    const { log, meter, files } = this.#parts;
    const before = this.#manifest?.revision;
    try {
      await this.#load(incoming.manifest, incoming.text, undefined);
    } catch (error) {
      incoming.refused(error);
      return;
    }
    const { revision } = incoming.manifest;
    if (before !== revision) {
      log.notice(`revision ${revision} taken${before === undefined ? '' : ` (was ${before})`}`);
      meter.event('revision.changed', { title: `revision ${revision}`, text: `was ${before ?? 'none'}` }, {});
    }
    try {
      await writeCachedManifest(files, incoming.text);
      this.#problems.delete('cache');
    } catch (error) {
      // It runs all the same; only a restart without the controller would fall back to the one before.
      const message = `the manifest is kept in memory only: ${reasonOf(error)}`;
      log.error(message);
      this.#problem('cache', message);
    }
    incoming.taken();
  }

  async #load(manifest: Manifest, text: string, recollection: Recollection | undefined): Promise<void> {
    const { engine, log, onManifest } = this.#parts;
    engine.load(manifest, recollection);
    this.#manifest = manifest;
    this.#manifestHash = hashOf(text);
    log.maskAlso(collectFragments(manifest.resources.map(({ spec }) => spec)));
    this.#watches.set(engine.watches());
    await this.#schedule.set(manifest.agent.schedule, manifest.agent.splay_ms);
    await onManifest(manifest);
  }

  async #recollect(): Promise<void> {
    const { engine, files } = this.#parts;
    const recollection = engine.recollection();
    if (recollection === this.#recollection) return;
    const text = `${JSON.stringify(recollection)}\n`;
    if (text !== this.#recollected) await files.write(RECOLLECTION, text);
    this.#recollected = text;
    this.#recollection = recollection;
  }

  #controllerChanged(view: ControllerView): void {
    const { log, meter } = this.#parts;
    // After the first answer, or for want of one: on the connection that is there by then.
    if (view.state === 'reachable' || view.state === 'away') this.#reporter?.start();
    if (view.state === 'reachable') {
      if (view.refused === undefined) this.#confirmed_ms = Date.now();
      if (this.#controllerState === 'away') log.notice('the controller answers again');
    } else if (view.state === 'away' && this.#controllerState !== 'away') {
      log.warning(`the controller is away, going on with the last good manifest: ${view.error ?? ''}`);
    }
    this.#controllerState = view.state;
    const reason = view.refused?.reason;
    if (reason !== undefined && reason !== this.#refusedReason) {
      log.error(`the controller's manifest was refused, the last good one stays: ${reason}`);
      meter.event('manifest.refused', { title: 'manifest refused', text: reason }, {});
      this.#reporter?.changed();
    }
    const withheld = view.withheld?.reason;
    if (reason !== this.#refusedReason || withheld !== this.#withheldReason) this.#beat();
    this.#withheldReason = withheld;
    this.#refusedReason = reason;
    this.#parts.onStatus();
  }

  #paused({ until_ms, by, why }: PauseState): void {
    const { log, meter } = this.#parts;
    const until = new Date(until_ms).toISOString();
    log.warning(`paused until ${until} by ${by}: ${why}`);
    meter.event('paused', { title: `paused until ${until}`, text: `by ${by}: ${why}` }, {});
    this.#beat();
    this.#reporter?.changed();
  }

  /** What the controller says of pauses. It says so again, so that nothing is lost where it cannot be kept now. */
  async #followPause(order: PauseState | undefined): Promise<void> {
    try {
      const { begun, ended } = await this.#pause.follow(order);
      if (begun !== undefined) this.#paused(begun);
      if (ended !== undefined) this.#resumed('through the controller', ended);
    } catch (error) {
      this.#problem('pause', `what the controller orders could not be kept: ${reasonOf(error)}`);
    }
  }

  #resumed(how: string, { by, since_ms }: PauseState): void {
    const { log, meter } = this.#parts;
    const text = `the pause of ${by} since ${new Date(since_ms).toISOString()} ended ${how}`;
    log.notice(text);
    meter.event('resumed', { title: 'resumed', text }, {});
    void this.#loop.request('command');
    this.#reporter?.changed();
    this.#beat();
  }

  #beat(): void {
    const { meter } = this.#parts;
    const view = this.#view();
    const verdict = this.verdict();
    const status = this.#pause.current !== undefined && verdict === 'failing' ? 'differs' : verdict;
    meter.check('host.converged', CHECKS[status]);
    meter.check(
      'controller.reachable',
      view.state === 'away' ? 'critical' : view.state === 'reachable' ? 'ok' : 'unknown',
      view.error ?? '',
    );
    meter.check('manifest.accepted', view.refused === undefined ? 'ok' : 'critical', view.refused?.reason ?? '');
    if (view.withheld === undefined) meter.check('rollout', 'ok');
    else meter.check('rollout', STOPPED.has(view.withheld.state ?? '') ? 'critical' : 'warning', view.withheld.reason);
    meter.gauge('paused', this.#pause.current === undefined ? 0 : 1, {});
    if (this.#confirmed_ms !== undefined) {
      meter.gauge('manifest.age', Math.round((Date.now() - this.#confirmed_ms) / 1000), {});
    }
  }

  #view(): ControllerView {
    return this.#follower?.view ?? { state: 'none', since_ms: this.#started_ms };
  }

  #revisions(): AgentStatus['revision'] {
    const { offered, refused, withheld, state, error } = this.#view();
    const own = this.#manifest?.revision;
    // What is offered and not refused has been taken, or means the same for this host.
    const running =
      own !== undefined && this.#incoming === undefined && refused === undefined ? (offered?.revision ?? own) : own;
    const wanted = withheld?.revision ?? offered?.revision ?? running;
    const why =
      withheld?.reason ??
      refused?.reason ??
      (running === undefined && state === 'away'
        ? `no manifest yet, and the controller is away: ${error ?? ''}`
        : undefined) ??
      (wanted === running ? undefined : 'the offered revision is being taken');
    return {
      ...(running === undefined ? {} : { running }),
      ...(wanted === undefined ? {} : { wanted }),
      ...(why === undefined ? {} : { whyDifferent: why }),
    };
  }

  async #reportHead(): Promise<Omit<Report, 'run' | 'past' | 'pastDropped' | 'sentAt_ms'>> {
    const { config, version, facts } = this.#parts;
    const { running, wanted, whyDifferent } = this.#revisions();
    const pause = this.#pause.current;
    const refused = this.#view().refused?.reason;
    return {
      host: config.host,
      agentVersion: version,
      mode: this.#manifest?.mode ?? 'report',
      ...(pause === undefined ? {} : { pause }),
      ...(running === undefined ? {} : { runningRevision: running }),
      ...(wanted === undefined ? {} : { wantedRevision: wanted }),
      ...(whyDifferent === undefined ? {} : { whyDifferent: cut(whyDifferent) }),
      ...(refused === undefined ? {} : { refused: cut(refused) }),
      facts: await facts.read(),
    };
  }

  #problem(topic: string, message: string): void {
    if (this.#problems.get(topic) === message) return;
    this.#problems.set(topic, message);
    this.#parts.log.warning(message);
  }
}

/** Rollouts that bring the host nothing until somebody does something. */
const STOPPED: ReadonlySet<string> = new Set(['paused', 'aborted', 'refused']);

const CHECKS: Readonly<Record<Verdict, CheckStatus>> = {
  converged: 'ok',
  differs: 'warning',
  failing: 'critical',
  unknown: 'unknown',
};

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

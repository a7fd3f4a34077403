import type { Manifest } from '../../desired-state/schema/manifest.ts';
import { collectFragments } from '../../desired-state/schema/secret.ts';
import type { Engine, Recollection } from '../engine/engine.ts';
import type { Trigger } from '../metrics/catalog.ts';
import type { Meter } from '../metrics/meter.ts';
import type { AgentConfig } from './config.ts';
import type { ControllerClient } from './controller-client.ts';
import { ControllerEffects } from './controller-effects.ts';
import type { FactSource } from './facts.ts';
import { type ControllerView, Follower } from './follow.ts';
import type { Log } from './log.ts';
import { Pause, type PauseRequest, type PauseState } from './pause.ts';
import { PauseEffects } from './pause-effects.ts';
import { Previews } from './previews.ts';
import { Problems } from './problems.ts';
import { RecollectionFile } from './recollection-file.ts';
import { reportHead } from './report.ts';
import { Reporter } from './reporter.ts';
import { RunningManifest } from './running-manifest.ts';
import { Runs } from './runs.ts';
import { sendChecks } from './service-checks.ts';
import type { Snapshot } from './snapshot.ts';
import type { StateFiles } from './state-files.ts';
import type { AgentStatus, CertificateView } from './status.ts';
import { statusOf } from './status-answer.ts';
import { Triggers } from './triggers.ts';

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
  readonly certificate: () => CertificateView | undefined;
  /** Told when a manifest was taken: ports and sinks follow its settings. */
  readonly onManifest: (manifest: Manifest) => Promise<void>;
  /** Told after each run and when anything that people look at has changed. */
  readonly onStatus: () => void;
  readonly random?: () => number;
}

/** After a run that could not be done at all, such as when `run --once` keeps the lock. */
const RUN_RETRY_MS = 15_000;

/** The daemon without its sockets: follows the controller, runs the engine when something asks for a look, and tells how it went. */
export class Agent {
  readonly #parts: AgentParts;
  readonly #started_ms = Date.now();
  readonly #problems: Problems;
  readonly #triggers: Triggers;
  readonly #manifest: RunningManifest;
  readonly #runs: Runs;
  readonly #recollections: RecollectionFile;
  readonly #pause: Pause;
  readonly #controller: ControllerEffects;
  readonly #follower: Follower | undefined;
  readonly #reporter: Reporter | undefined;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    const { config, engine, files, client, log, meter, random } = parts;
    const { host } = config;
    const problems = new Problems(log);
    this.#problems = problems;
    this.#triggers = new Triggers({ host, run: (trigger) => this.#reconcile(trigger), log, problems });
    this.#runs = new Runs({ engine, log, meter });
    this.#recollections = new RecollectionFile({ files, parse: parts.recollection });
    this.#manifest = new RunningManifest({
      host,
      engine,
      files,
      log,
      meter,
      problems,
      recollection: () => this.#recollections.read(),
      onOffered: () => void this.#triggers.request('revision'),
      onTaken: (manifest) => this.#follow(manifest),
    });
    const pauses = new PauseEffects({ log, meter });
    this.#pause = new Pause({
      files,
      onBegun: (pause) => {
        pauses.begun(pause);
        this.#beat();
        this.#reporter?.changed();
      },
      onEnded: (pause, how) => {
        pauses.ended(pause, how);
        void this.#triggers.request('command');
        this.#reporter?.changed();
        this.#beat();
      },
    });
    this.#controller = new ControllerEffects({ log, meter });
    if (client === undefined) return;
    const previews = new Previews({
      host,
      engine: parts.looker,
      send: (id, preview) => client.preview(id, preview),
      onProblem: (message) => log.warning(message),
    });
    this.#follower = new Follower({
      client,
      host,
      running: () => this.#manifest.current,
      runningHash: () => this.#manifest.hash,
      accept: (manifest, text) => this.#manifest.offer(manifest, text),
      onChange: (view) => this.#controllerChanged(view),
      onPreview: (id, text) => void previews.ask(id, text),
      onPause: (order) => void this.#followPause(order),
      reported: async () => (await this.#reporter?.settled()) === true,
      ...(random === undefined ? {} : { random }),
    });
    this.#reporter = new Reporter({
      client,
      files,
      head: async () => reportHead(this.#snapshot(), await parts.facts.read()),
      onProblem: (message) => log.warning(`the controller was not told how this host is: ${message}`),
      onDropped: (entries) => meter.count('reports.dropped', entries, {}),
      isUnreachable: () => this.#follower?.isUnreachable === true,
      onTold: () => this.#follower?.nudge(),
      ...(random === undefined ? {} : { random }),
    });
  }

  /** Takes up what an earlier process left, and begins. */
  async start(): Promise<void> {
    const { log, meter } = this.#parts;
    meter.count('agent.starts', 1, {});
    const damaged = await this.#pause.restore();
    if (damaged !== undefined) log.warning(damaged);
    await this.#reporter?.restore();
    const hasManifest = await this.#manifest.restore();
    if (!hasManifest && this.#follower === undefined) {
      this.#problems.tell(
        'cache',
        'there is neither a manifest nor a controller: set "controller" in /etc/holdfast/agent.json',
      );
    }
    void this.#triggers.request('start');
    this.#follower?.start();
  }

  /** Lets a run under way end, and keeps what has to outlive the process. */
  async stop(): Promise<void> {
    this.#pause.close();
    await Promise.all([this.#follower?.stop(), this.#triggers.stop().then(() => this.#manifest.close())]);
    await this.#reporter?.stop();
  }

  /** Resolves when a run that began after the call has ended. A controller that is away is asked at once, too. */
  reconcile(): Promise<void> {
    this.#follower?.nudge();
    return this.#triggers.request('command');
  }

  pause(request: PauseRequest): Promise<PauseState> {
    return this.#pause.set(request);
  }

  resume(by: string): Promise<PauseState | undefined> {
    return this.#pause.end(by);
  }

  /** What is wrong with the loop; empty when it is healthy. The watchdog is fed only then. */
  ailments(): readonly string[] {
    return this.#triggers.ailments(this.#runs.sign);
  }

  /** Where the manifest wants the status page; `undefined` without a manifest. */
  get statusPort(): number | undefined {
    return this.#manifest.current?.agent.statusPort;
  }

  /** What a heartbeat says, beside what changes say as they happen. */
  heartbeat(): void {
    const { meter, certificate } = this.#parts;
    meter.gauge('agent.rss', process.memoryUsage.rss(), {});
    const { expires_ms } = certificate() ?? {};
    if (expires_ms !== undefined)
      meter.gauge('certificate.expires_in', Math.round((expires_ms - Date.now()) / 1000), {});
    this.#beat();
  }

  status(): AgentStatus {
    return statusOf(this.#snapshot(), {
      started_ms: this.#started_ms,
      triggers: this.#triggers,
      runs: this.#runs,
      problems: this.#problems,
      nextRetry_ms: this.#parts.engine.nextRetry_ms(),
      certificate: this.#parts.certificate(),
    });
  }

  async #reconcile(trigger: Trigger): Promise<void> {
    const { engine, log, onStatus } = this.#parts;
    await this.#manifest.takeOffered();
    if (this.#manifest.current === undefined) return;
    const run = await this.#runs.run(trigger, { dryRun: this.#pause.current !== undefined });
    if (run === undefined) {
      this.#triggers.retryIn(RUN_RETRY_MS);
      onStatus();
      return;
    }
    this.#triggers.refreshWatches();
    this.#planRetry();
    this.#beat();
    this.#reporter?.note(run);
    onStatus();
    await this.#recollections
      .keep(engine.recollection())
      .catch((error: unknown) => log.warning(`what was learned is kept in memory only: ${reasonOf(error)}`));
  }

  #planRetry(): void {
    const due_ms = this.#parts.engine.nextRetry_ms();
    if (due_ms === undefined) return;
    // A retry that the run has just not taken (paused) is looked at by the schedule.
    this.#triggers.retryIn(Math.max(due_ms - Date.now(), this.#pause.current === undefined ? 0 : RUN_RETRY_MS) + 1);
  }

  async #follow(manifest: Manifest): Promise<void> {
    const { engine, log, onManifest } = this.#parts;
    log.maskAlso(collectFragments(manifest.resources.map(({ spec }) => spec)));
    await this.#triggers.follow(manifest.agent, engine.watches());
    await onManifest(manifest);
  }

  #controllerChanged(view: ControllerView): void {
    // After the first answer, or for want of one: on the connection that is there by then.
    if (view.state === 'reachable' || view.state === 'away') this.#reporter?.start();
    if (view.state === 'reachable') this.#reporter?.reached();
    const news = this.#controller.changed(view);
    if (news.refused) this.#reporter?.changed();
    if (news.rollout) this.#beat();
    this.#parts.onStatus();
  }

  /** What the controller says of pauses. It says so again, so that nothing is lost where it cannot be kept now. */
  async #followPause(order: PauseState | undefined): Promise<void> {
    try {
      await this.#pause.follow(order);
    } catch (error) {
      this.#problems.tell('pause', `what the controller orders could not be kept: ${reasonOf(error)}`);
    }
  }

  #beat(): void {
    sendChecks(this.#parts.meter, this.#snapshot());
  }

  #snapshot(): Snapshot {
    const { config, version } = this.#parts;
    return {
      host: config.host,
      agentVersion: version,
      verdict: this.#runs.verdict,
      manifest: this.#manifest.current,
      isOffered: this.#manifest.isOffered,
      controller: this.#follower?.view ?? { state: 'none', since_ms: this.#started_ms },
      confirmed_ms: this.#controller.confirmed_ms,
      pause: this.#pause.current,
    };
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

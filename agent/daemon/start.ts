import { existsSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import type { AgentSettings, Manifest } from '../../desired-state/schema/manifest.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { parseRecollection } from '../cli/session.ts';
import { createEngine } from '../engine/engine.ts';
import type { FileWriter } from '../host/files/port.ts';
import { createLinuxHost } from '../host/linux.ts';
import { takeRunLock } from '../host/run-lock.ts';
import { Meter } from '../metrics/meter.ts';
import { OpenMetricsStore } from '../metrics/openmetrics.ts';
import { StatsdSink } from '../metrics/statsd.ts';
import { registry } from '../registry.ts';
import { Agent } from './agent.ts';
import { type AgentConfig, loadConfig } from './config.ts';
import { openControlServer } from './control-server.ts';
import { type ControllerClient, createControllerClient } from './controller-client.ts';
import { Credentials } from './credentials.ts';
import { FactSource } from './facts.ts';
import { createLog, type Log } from './log.ts';
import { createNotifier, type Notifier } from './notify.ts';
import { Renewal } from './renewal.ts';
import { StateFiles } from './state-files.ts';
import { closeServer, openStatusServer } from './status-server.ts';

const DEFAULT_STATUS_PORT = 9475;
const LOCK_WAIT_MS = 30_000;
const HEARTBEAT_MS = 60_000;
const DATADOG_AGENT = '/etc/datadog-agent';

/** Wires the daemon and serves until a signal ends it. Resolves when it has stopped in order. */
export async function serve(): Promise<void> {
  const underSystemd = process.env['INVOCATION_ID'] !== undefined;
  const log = createLog({ write: (text) => process.stderr.write(text), priorities: underSystemd });
  const config = await loadConfig();
  const notifier = createNotifier(process.env, (message) => log.warning(message));
  const stopped = stopSignal();
  const meter = new Meter();
  const store = new OpenMetricsStore();
  meter.add(store);
  const host = createLinuxHost();
  const files = new StateFiles(host.files, config.stateDirectory);
  const statsd = new StatsdSwitch(config, meter, log);
  const line = openLine(config, { log, files: host.files });
  const agent = new Agent({
    config,
    version: packageJson.version,
    engine: createEngine({
      registry,
      reader: host,
      writer: () => host,
      takeLock: () => takeRunLock({ path: files.path('run.lock'), wait_ms: LOCK_WAIT_MS }),
    }),
    looker: () =>
      createEngine({
        registry,
        reader: host,
        writer: () => {
          throw new Error('a preview changes nothing');
        },
        takeLock: () => Promise.reject(new Error('a preview changes nothing')),
      }),
    files,
    client: line?.client,
    log,
    meter,
    facts: new FactSource(),
    recollection: parseRecollection,
    certificate: () => line?.renewal.view(),
    onManifest: async ({ agent: settings }: Manifest) => {
      await statsd.follow(settings);
      await page.follow(settings.statusPort);
    },
    onStatus: () => notifier.status(statusLine(agent)),
  });
  const page = new StatusPage(agent, () => store.text(), log);
  const control = await openControlServer(join(config.runDirectory, 'agent.sock'), {
    status: () => agent.status(),
    pause: (request) => agent.pause(request),
    resume: (by) => agent.resume(by),
    reconcile: () => agent.reconcile(),
  });
  await agent.start();
  await page.follow(agent.statusPort ?? DEFAULT_STATUS_PORT);
  const heart = setInterval(() => {
    agent.heartbeat();
    void page.retry();
    void line?.renewal.tick();
  }, HEARTBEAT_MS);
  agent.heartbeat();
  const watchdog = feedWatchdog(notifier, agent, log);
  notifier.ready();
  log.info(`holdfast-agent ${packageJson.version} serves ${config.host}`);

  const signal = await stopped;
  log.info(`stopping on ${signal}`);
  notifier.stopping();
  clearInterval(heart);
  await agent.stop();
  line?.credentials.close();
  clearInterval(watchdog);
  await Promise.all([closeServer(control), page.close(), statsd.close()]);
}

interface ControllerLine {
  readonly client: ControllerClient;
  readonly credentials: Credentials;
  readonly renewal: Renewal;
}

/** `undefined` where no controller is configured. */
function openLine(config: AgentConfig, { log, files }: { log: Log; files: FileWriter }): ControllerLine | undefined {
  const { controller } = config;
  if (controller === undefined) return undefined;
  const credentials = new Credentials(config.stateDirectory);
  const own = { ...config, controller };
  const { version } = packageJson;
  return {
    client: createControllerClient(own, version, credentials, (message) => log.warning(message)),
    credentials,
    renewal: new Renewal({ config: own, credentials, files, version, log }),
  };
}

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.on('SIGTERM', resolve);
    process.on('SIGINT', resolve);
  });
}

/** Fed only while the loop is healthy: an event loop that turns is not enough. */
function feedWatchdog(notifier: Notifier, agent: Agent, log: Log): NodeJS.Timeout | undefined {
  if (notifier.watchdogEvery_ms === undefined) return undefined;
  let told = '';
  return setInterval(() => {
    const ailments = agent.ailments().join('; ');
    if (ailments === '') notifier.watchdog();
    else if (ailments !== told) log.error(`unhealthy, systemd will restart the agent: ${ailments}`);
    told = ailments;
  }, notifier.watchdogEvery_ms);
}

function statusLine(agent: Agent): string {
  const { verdict, pause, revision, controller, certificate, resources } = agent.status();
  const parts = [
    `${verdict}, ${resources.length} resources, revision ${(revision.running ?? 'none').slice(0, 12)}`,
    ...(pause === undefined ? [] : [`paused by ${pause.by} until ${new Date(pause.until_ms).toISOString()}`]),
    ...(controller.state === 'away' ? [`controller away since ${new Date(controller.since_ms).toISOString()}`] : []),
    ...(controller.refused === undefined ? [] : ['its manifest is refused']),
    ...(certificate?.warning === undefined ? [] : [`certificate: ${certificate.warning}`]),
  ];
  return parts.join('; ');
}

/** The status page on the port that the manifest names. A taken port is tried again and does not stop the agent. */
class StatusPage {
  readonly #agent: Agent;
  readonly #metrics: () => string;
  readonly #log: Log;
  #server: Server | undefined;
  #port = 0;

  constructor(agent: Agent, metrics: () => string, log: Log) {
    this.#agent = agent;
    this.#metrics = metrics;
    this.#log = log;
  }

  async follow(port: number): Promise<void> {
    if (port === this.#port) return;
    const old = this.#server;
    this.#server = undefined;
    this.#port = port;
    if (old !== undefined) await closeServer(old);
    await this.#open((message) => this.#log.error(message));
  }

  async retry(): Promise<void> {
    if (this.#server === undefined && this.#port !== 0) await this.#open(() => {});
  }

  async close(): Promise<void> {
    if (this.#server !== undefined) await closeServer(this.#server);
  }

  async #open(onProblem: (message: string) => void): Promise<void> {
    try {
      this.#server = await openStatusServer(this.#port, {
        status: () => this.#agent.status(),
        metrics: this.#metrics,
        ailments: () => this.#agent.ailments(),
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      onProblem(`the status page is tried again each minute: ${reason}`);
    }
  }
}

/** DogStatsD, loaded only where somebody listens. */
class StatsdSwitch {
  readonly #config: AgentConfig;
  readonly #meter: Meter;
  readonly #log: Log;
  #sink: StatsdSink | undefined;
  #key = '';
  #told = '';

  constructor(config: AgentConfig, meter: Meter, log: Log) {
    this.#config = config;
    this.#meter = meter;
    this.#log = log;
  }

  async follow({ statsd, tags }: AgentSettings): Promise<void> {
    const wanted = this.#isWanted(statsd);
    const key = wanted ? JSON.stringify([statsd, tags]) : '';
    if (key === this.#key) return;
    await this.close();
    this.#key = key;
    if (!wanted) return;
    if (statsd.socket !== undefined) {
      this.#tell(`statsd.socket is not supported, metrics go to ${statsd.host}:${statsd.port} over UDP`);
    }
    const { host, port, prefix } = statsd;
    this.#sink = await StatsdSink.open({ host, port, prefix, tags, onError: (error) => this.#tell(error.message) });
    this.#meter.add(this.#sink);
  }

  async close(): Promise<void> {
    const sink = this.#sink;
    if (sink === undefined) return;
    this.#sink = undefined;
    this.#meter.remove(sink);
    await sink.close();
  }

  #isWanted({ host, socket }: AgentSettings['statsd']): boolean {
    if (this.#config.statsd !== 'auto') return this.#config.statsd === 'on';
    return socket !== undefined || host !== '127.0.0.1' || existsSync(DATADOG_AGENT);
  }

  #tell(message: string): void {
    if (message === this.#told) return;
    this.#told = message;
    this.#log.warning(`statsd: ${message}`);
  }
}

/** An agent whose host is only claimed: it asks, backs off and reports as the real one does, by its own modules. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ControllerClient,
  ControllerError,
  createControllerClient,
} from '../../agent/daemon/controller-client.ts';
import { Credentials } from '../../agent/daemon/credentials.ts';
import { Follower, hashOf } from '../../agent/daemon/follow.ts';
import { Reporter } from '../../agent/daemon/reporter.ts';
import type { ResourceResult } from '../../agent/engine/types.ts';
import type { Manifest } from '../../desired-state/schema/manifest.ts';
import type { Tally } from './tally.ts';

const VERSION = '0.1.0';
/** How long a reconcile of a change takes. */
const RUN_MS = 40;

export interface SimulatedOptions {
  readonly host: string;
  readonly controller: string;
  readonly stateDirectory: string;
  /** An address of the host, which it reports. */
  readonly address: string;
  readonly tally: Tally;
}

export class SimulatedAgent {
  readonly #options: SimulatedOptions;
  readonly #credentials: Credentials;
  readonly #client: ControllerClient;
  readonly #follower: Follower;
  readonly #reporter: Reporter;
  /** Without its resources: thousands of agents are in one process. */
  #running: Manifest | undefined;
  #hash: string | undefined;

  constructor(options: SimulatedOptions) {
    const { host, controller, stateDirectory, address, tally } = options;
    this.#options = options;
    this.#credentials = new Credentials(stateDirectory);
    const config = {
      host,
      controller: new URL(controller),
      statsd: 'off' as const,
      stateDirectory,
      runDirectory: stateDirectory,
    };
    this.#client = counted(createControllerClient(config, VERSION, this.#credentials), options);
    this.#follower = new Follower({
      client: this.#client,
      host,
      running: () => this.#running,
      runningHash: () => this.#hash,
      accept: (manifest, text) => this.#accept(manifest, text),
      onPreview: (id) => void this.#preview(id),
      onPause: () => undefined,
      onChange: ({ state }) => {
        this.#reporter.start();
        if (state === 'reachable') this.#reporter.reached();
      },
      reported: () => this.#reporter.settled(),
      // Each real host checks its own; here thousands of checks would keep each other waiting, and the controller is what is measured.
      decode: (text): Manifest => JSON.parse(text),
    });
    this.#reporter = new Reporter({
      client: this.#client,
      files: { read: async () => undefined, write: async () => undefined, remove: async () => undefined },
      head: async () => ({
        host,
        agentVersion: VERSION,
        mode: 'enforce',
        ...(this.#running === undefined
          ? {}
          : { runningRevision: this.#running.revision, wantedRevision: this.#running.revision }),
        facts: {
          addresses: [{ interface: 'eth0', address, family: 4 }],
          memory: { total_bytes: 402_653_184, available_bytes: 201_326_592 },
          load_percent: 3.5,
          fileSystems: [{ mount: '/', size_bytes: 8_589_934_592, used_bytes: 2_147_483_648 }],
        },
      }),
      onProblem: () => undefined,
      onDropped: () => tally.error('a report was dropped'),
      isUnreachable: () => this.#follower.isUnreachable,
      onTold: () => this.#follower.nudge(),
    });
  }

  start(): void {
    this.#follower.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#follower.stop(), this.#reporter.stop()]);
    this.#credentials.close();
  }

  async #accept(manifest: Manifest, text: string): Promise<void> {
    const { host, tally } = this.#options;
    tally.given(host, manifest.revision);
    const first = this.#running === undefined;
    this.#running = { ...manifest, resources: [] };
    this.#hash = hashOf(text);
    const { revision, sequence, resources } = manifest;
    const results = resources.map(({ kind, name }): ResourceResult => {
      const result = { kind, name, mode: 'enforce', status: 'converged', changes: [], duration_ms: 0 } as const;
      return first || !name.endsWith('/0.conf') ? result : { ...result, ...CHANGED };
    });
    const started_ms = Date.now();
    void sleep(RUN_MS).then(() => {
      this.#reporter.note({
        host,
        revision,
        ...(sequence === undefined ? {} : { sequence }),
        dryRun: false,
        started_ms,
        duration_ms: RUN_MS,
        resources: results,
      });
    });
  }

  async #preview(id: string): Promise<void> {
    const { host } = this.#options;
    const { summary, diff, hazard } = CHANGE;
    const changes = [{ kind: 'files', name: '/srv/app-0/0.conf', summary, diff, hazard }];
    const preview = { host, revision: '', changes, problems: [], more: 0 };
    // Who asked may have gone: what went wrong is counted by the client.
    await this.#client.preview(id, preview).catch(() => undefined);
  }
}

const CHANGE = {
  summary: 'content changes',
  diff: '@@ -1,3 +1,3 @@\n # host\n setting = 0\n-version = 1\n+version = 2\n',
  hazard: 'none',
  outcome: 'applied',
  duration_ms: 1,
} as const;
const CHANGED = { status: 'changed', cause: 'intended', changes: [CHANGE] } as const;

/** The client, with what becomes of its requests written down. */
function counted(client: ControllerClient, { host, controller, tally }: SimulatedOptions): ControllerClient {
  const count = async <T>(what: string, request: () => Promise<T>): Promise<T> => {
    try {
      const answer = await request();
      tally.answered(host, controller);
      return answer;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof ControllerError && error.status === 0) tally.lost(`${what}: ${reason}`);
      else tally.error(`${what}: ${reason.replaceAll(host, 'HOST')}`);
      throw error;
    }
  };
  return {
    async manifest(asked) {
      tally.asks();
      try {
        return await (asked.signal.aborted ? client.manifest(asked) : count('manifest', () => client.manifest(asked)));
      } finally {
        tally.ends();
      }
    },
    async report(report) {
      await count('report', () => client.report(report));
      tally.reported(host, report.run?.revision);
    },
    preview: (id, preview) => count('preview', () => client.preview(id, preview)),
  };
}

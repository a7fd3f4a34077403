/** An agent between an engine and a controller that a test decides, with its clock in the test's hands. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mock, type TestContext } from 'node:test';
import { Agent } from '../../../agent/daemon/agent.ts';
import type { AgentConfig } from '../../../agent/daemon/config.ts';
import type { Engine, Recollection } from '../../../agent/engine/engine.ts';
import type { EngineManifest, ResourceResult, RunResult } from '../../../agent/engine/types.ts';
import { Meter } from '../../../agent/metrics/meter.ts';
import { OpenMetricsStore } from '../../../agent/metrics/openmetrics.ts';
import { FakeController, HOST, recordingLog, settle, stateFiles } from './support.ts';

class FakeEngine implements Engine {
  readonly runs: { readonly dryRun: boolean; readonly revision: string; readonly at_ms: number }[] = [];
  resources: readonly ResourceResult[] = [];
  /** While set, runs do not end. */
  gate: Promise<void> | undefined;
  refuse: Error | undefined;
  retry_ms: number | undefined;
  #manifest: EngineManifest | undefined;

  load(manifest: EngineManifest): void {
    if (this.refuse !== undefined) throw this.refuse;
    this.#manifest = manifest;
  }

  async reconcile({ dryRun = false }: { readonly dryRun?: boolean } = {}): Promise<RunResult> {
    const revision = this.#manifest?.revision ?? '';
    const started_ms = Date.now();
    this.runs.push({ dryRun, revision, at_ms: started_ms });
    await this.gate;
    return { host: HOST, revision, dryRun, started_ms, duration_ms: 1, resources: this.resources };
  }

  recollection(): Recollection {
    return { revision: this.#manifest?.revision ?? '', converged: [] };
  }

  nextRetry_ms(): number | undefined {
    return this.retry_ms;
  }

  watches(): [] {
    return [];
  }
}

export const certificate = { expires_ms: Date.UTC(2026, 2, 1), renewal_ms: Date.UTC(2026, 1, 1) };

export interface Setup {
  readonly agent: Agent;
  readonly engine: FakeEngine;
  /** Of previews. */
  readonly looker: FakeEngine;
  readonly controller: FakeController;
  readonly directory: string;
  readonly lines: string[];
  readonly metrics: () => string;
}

export async function setup(
  t: TestContext,
  prepare: (directory: string) => Promise<void> = async () => {},
): Promise<Setup> {
  const { files, directory } = await stateFiles(t);
  await prepare(directory);
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.UTC(2026, 0, 1, 0, 0, 7) });
  const { log, lines } = recordingLog();
  const engine = new FakeEngine();
  const looker = new FakeEngine();
  const controller = new FakeController();
  const meter = new Meter();
  const store = new OpenMetricsStore();
  meter.add(store);
  const config: AgentConfig = {
    host: HOST,
    controller: new URL('http://controller.test'),
    statsd: 'off',
    stateDirectory: directory,
    runDirectory: directory,
  };
  const agent = new Agent({
    config,
    version: '1.2.3',
    engine,
    looker: () => looker,
    files,
    client: controller,
    log,
    meter,
    facts: { read: async () => ({ addresses: [] }) },
    recollection: () => undefined,
    certificate: () => certificate,
    onManifest: async () => {},
    onStatus: () => {},
    random: () => 0.5,
  });
  t.after(async () => {
    await agent.stop();
    mock.timers.reset();
  });
  return { agent, engine, looker, controller, directory, lines, metrics: () => store.text() };
}

export async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    mock.timers.tick(1000);
    await settle(4);
  }
}

export const cached =
  (text: string) =>
  (directory: string): Promise<void> =>
    writeFile(join(directory, 'manifest.json'), text);

export const drifted: ResourceResult = {
  kind: 'files',
  name: '/etc/motd',
  status: 'changed',
  mode: 'enforce',
  cause: 'corrective',
  changes: [{ summary: 'write 1 line', diff: '-a\n+b\n', hazard: 'none', outcome: 'applied', duration_ms: 1 }],
  duration_ms: 2,
};

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Compilation } from '../../../../controller/compile/compile.ts';
import type { Rollout } from '../../../../controller/rollout/model.ts';
import { Rollouts } from '../../../../controller/rollout/rollouts.ts';
import { Serving } from '../../../../controller/serving.ts';
import { type Bus, type Handler, Subscribers, type Topic } from '../../../../controller/store/bus.ts';
import { openStore, type Store } from '../../../../controller/store/database.ts';
import { HostRecords } from '../../../../controller/store/host-records.ts';
import type { Report } from '../../../../desired-state/schema/report.ts';
import { compile, type Files } from '../../../unit/compile/tree.ts';
import { START_MS } from '../../../unit/controller/rollout/fleet.ts';
import { reportOf } from '../bench.ts';

export const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A tree of web hosts `web-1` to `web-<count>` and one of a database. */
export function treeOfWebs(
  count: number,
  options: { readonly rollout?: string; readonly content?: string } = {},
): Files {
  const { rollout = '{}', content = 'one' } = options;
  const hosts = Array.from({ length: count }, (_, index) => [
    `hosts/web-${index + 1}.yaml`,
    `environment: dev\nroles: [web]\naddress: 10.0.0.${index + 20}\n`,
  ]);
  return {
    'environments/dev.yaml': 'network: 10.0.0.0/8\n',
    'roles/web.yaml': `files:\n  /etc/motd: { content: ${content} }\nrollout: ${rollout}\n`,
    'roles/db.yaml': 'services:\n  postgresql: running\n',
    'hosts/db-1.yaml': 'environment: dev\nroles: [db]\naddress: 10.0.0.11\n',
    ...Object.fromEntries(hosts),
  };
}

interface Hearing {
  readonly deaf?: boolean;
  readonly misses?: Topic;
}

/** The buses of controllers that share a database: what one publishes the others hear, too. */
class LinkedBus implements Bus {
  readonly #own = new Subscribers(quiet);
  readonly #all: Set<LinkedBus>;

  readonly #misses: Topic | undefined;

  /** One that is `deaf` hears only itself; others may miss all that is said of one topic. */
  constructor(all: Set<LinkedBus>, { deaf = false, misses }: Hearing) {
    this.#misses = misses;
    this.#all = deaf ? new Set([this]) : all;
    if (!deaf) all.add(this);
  }

  async publish(topic: Topic, text: string): Promise<void> {
    for (const bus of this.#all) {
      if (bus === this) bus.#own.tell(topic, text, 'self');
      else if (bus.#misses !== topic) bus.#own.tell(topic, text, 'other');
    }
  }

  subscribe(topic: Topic, handler: Handler): () => void {
    return this.#own.subscribe(topic, handler);
  }

  onGap(handler: () => void): () => void {
    return this.#own.onGap(handler);
  }

  async close(): Promise<void> {
    this.#all.delete(this);
  }
}

/** One controller's part in rollouts, on a store that it may share. */
export interface Controller {
  readonly rollouts: Rollouts;
  readonly serving: Serving;
  readonly records: HostRecords;
  readonly states: Rollout[];
  readonly store: Store;
  /** Hosts whose held requests were let go. */
  readonly woken: string[];
  close(): Promise<void>;
}

export class World {
  readonly clock = { now_ms: START_MS };
  readonly store: Store;
  readonly #context: TestContext;
  readonly #buses = new Set<LinkedBus>();

  private constructor(context: TestContext, store: Store) {
    this.#context = context;
    this.store = store;
  }

  static async create(context: TestContext): Promise<World> {
    const store = await openStore({ path: ':memory:', log: quiet });
    context.after(() => store.close());
    return new World(context, store);
  }

  async start(hearing: Hearing = {}): Promise<Controller> {
    const { clock } = this;
    const bus = new LinkedBus(this.#buses, hearing);
    const store: Store = { ...this.store, bus, shared: true };
    const woken: string[] = [];
    const wake = (hosts: readonly string[]): void => void woken.push(...hosts);
    const states: Rollout[] = [];
    const now_ms = () => clock.now_ms;
    const records = new HostRecords(store, quiet);
    await records.open();
    const serving = new Serving({ store, changed: wake });
    await serving.open();
    const rollouts = new Rollouts({
      store,
      serving,
      records,
      now_ms,
      log: quiet,
      tell: wake,
      onState: (one) => states.push(one),
    });
    await rollouts.open();
    let closed = false;
    const close = async (): Promise<void> => {
      if (closed) return;
      closed = true;
      await rollouts.close();
      serving.close();
      await records.close();
      await bus.close();
    };
    this.#context.after(close);
    return { rollouts, serving, records, states, store, woken, close };
  }

  compile(files: Files, revision: string): Compilation {
    const compilation = compile(files, { revision });
    assert.deepEqual(compilation.issues, []);
    return compilation;
  }

  async push({ rollouts }: Controller, files: Files, revision: string): Promise<Rollout> {
    const by = { actor: 'user:ann', role: 'deploy' as const, address: undefined };
    const { rollout } = await rollouts.begin({ revision, subject: 'test', by }, this.compile(files, revision));
    await rollouts.settled();
    return rollouts.current?.rollout ?? rollout;
  }

  /** The agent of a host has taken what it is served, and says how it went. */
  async report(
    controller: Controller,
    host: string,
    status: 'converged' | 'failed' = 'converged',
    more: Partial<Report> = {},
  ): Promise<void> {
    const served = controller.serving.get(host);
    assert.ok(served, `${host} is served nothing`);
    this.clock.now_ms += 1;
    const { sequence } = JSON.parse(await controller.serving.text(served));
    const error = status === 'failed' ? { error: 'no space left' } : {};
    const resources = [{ kind: 'files', name: '/etc/motd', status, ...error }];
    const run = { revision: served.revision, sequence, dryRun: false, started_ms: 1, duration_ms: 1, resources };
    await controller.records.add(reportOf(host, { run, ...more }), this.clock.now_ms);
    await controller.rollouts.settled();
  }

  /** Time passes, hosts call, and whatever is due by then is done. */
  async pass(controller: Controller, duration_ms: number, hosts: readonly string[] = []): Promise<void> {
    this.clock.now_ms += duration_ms;
    for (const host of hosts) controller.records.seen(host, this.clock.now_ms);
    controller.rollouts.look();
    await controller.rollouts.settled();
  }
}

/** The files that the hosts are served, by host. */
export async function contents({ serving }: Controller): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [host, served] of [...serving.hosts()].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const { resources } = JSON.parse(await serving.text(served));
    found[host] = String(resources[0].spec.content ?? resources[0].name);
  }
  return found;
}

export function stateOf({ rollouts }: Controller): string {
  const rollout = rollouts.current?.rollout;
  return rollout === undefined ? 'none' : `${rollout.state}${rollout.why === null ? '' : `: ${rollout.why}`}`;
}

export const CANARY = '{ canary: 1, hold: 10s }';

/** A fleet of three web hosts and a database that all run revision `r1`. */
export async function converged(world: World, rollout = CANARY): Promise<Controller> {
  const controller = await world.start();
  await world.push(controller, treeOfWebs(3, { rollout }), 'r1');
  for (const host of ['db-1', 'web-1', 'web-2', 'web-3']) await world.report(controller, host);
  assert.match(stateOf(controller), /^done/);
  return controller;
}

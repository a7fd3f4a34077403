/** One fleet at one or more controllers: all come, a push reaches all, a controller is killed in the middle of another. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../controller/store/database.ts';
import type { CertificatesTable } from '../../controller/store/tables.ts';
import { type Figure, figureOf, type Measured } from '../figure.ts';
import type { Progress } from '../settings.ts';
import { AcceptedConnections } from './connections.ts';
import { BenchController, type ControllerOptions } from './controller.ts';
import { FleetRepository } from './desired-state.ts';
import { Fleet, type Member } from './fleet.ts';
import { freePort } from './free-port.ts';
import { keepCertificates } from './identities.ts';
import { countOf, type Seen } from './tally.ts';

export interface ScenarioOptions {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly controllers: number;
  readonly databaseUrl?: string;
  /** With the authority in `authority/`, the agents in `agents/` and the bundle in `program/`. */
  readonly folder: string;
  readonly certificates: readonly CertificatesTable[];
  readonly progress: Progress;
}

const MOST_RSS_MB = 600;
const MOST_TO_LAST_AGENT_S = 30;
/** Agents that lose their controller come back spread over ten seconds; more at once than half of them in one is a stampede. */
const STAMPEDE_SHARE = 0.5;

const CONNECT_BOUND_MS = 300_000;
const PUSH_BOUND_MS = 240_000;
const QUIET_BOUND_MS = 180_000;
/** As systemd waits before it starts a service again. */
const RESTART_AFTER_MS = 1000;
/** The controller is killed when so many of the agents have what is pushed. */
const KILLED_AT_SHARE = 0.2;
/** Machines are enrolled one after another; the crowd comes with the restart. */
const NEW_AGENTS_PER_S = 100;

/** What must be stopped in the end, however it ends. */
interface Parts {
  readonly controllers: BenchController[];
  fleet: Fleet | undefined;
}

export async function runScenario(options: ScenarioOptions): Promise<readonly Figure[]> {
  const parts: Parts = { controllers: [], fleet: undefined };
  try {
    return await new Scenario(options, parts).run();
  } finally {
    parts.fleet?.[Symbol.dispose]();
    await Promise.all(parts.controllers.map((controller) => controller.stop()));
    await rm(join(options.folder, options.name), { recursive: true, force: true });
  }
}

class Scenario {
  readonly #options: ScenarioOptions;
  readonly #parts: Parts;
  readonly #folder: string;
  readonly #figures: Figure[] = [];
  /** By place: how each controller was started, to start it again. */
  readonly #starts: ControllerOptions[] = [];
  #peak_mb = 0;

  constructor(options: ScenarioOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#folder = join(options.folder, options.name);
  }

  async run(): Promise<readonly Figure[]> {
    const { hosts } = this.#options;
    await this.#startControllers();
    const repository = await FleetRepository.make(join(this.#folder, 'repository'), hosts);
    const first = await repository.commit(1);
    const { code, text } = await repository.push(this.#remote).ended;
    if (code !== 0) throw new Error(`the first push failed: ${text.slice(-2000)}`);
    const fleet = this.#startFleet();
    await this.#allCome(fleet, first);
    await this.#pushReachesAll(fleet, repository);
    await this.#killedInTheMiddle(fleet, repository);
    this.#add({ name: 'peak RSS of a controller', unit: 'MB', samples: [this.#peak_mb], below: MOST_RSS_MB });
    return this.#figures;
  }

  get #remote(): string {
    return join(this.#folder, 'state-0/desired-state.git');
  }

  #say(line: string): void {
    this.#options.progress(`${this.#options.name}: ${line}`);
  }

  #add(measured: Measured): void {
    const figure = figureOf({ ...measured, name: `${this.#options.name}: ${measured.name}` });
    this.#figures.push(figure);
    this.#say(`${measured.name}: ${figure.median} ${figure.unit}`);
  }

  async #startControllers(): Promise<void> {
    const { folder, controllers, databaseUrl, certificates } = this.#options;
    const masterKeyFile = join(this.#folder, 'master.key');
    const authority = ['--ca-cert', join(folder, 'authority/ca.crt'), '--ca-key', join(folder, 'authority/ca.key')];
    const urlFile = join(this.#folder, 'database.url');
    await mkdir(join(this.#folder, 'state-0'), { recursive: true, mode: 0o700 });
    if (databaseUrl !== undefined) await writeFile(urlFile, databaseUrl, { mode: 0o600 });
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const place = databaseUrl === undefined ? { path: join(this.#folder, 'state-0/controller.db') } : { databaseUrl };
    const store = await openStore({ ...place, masterKeyFile, log });
    await keepCertificates(store, certificates);
    await store.close();
    for (let index = 0; index < controllers; index += 1) {
      const stateDirectory = join(this.#folder, `state-${index}`);
      const database = databaseUrl === undefined ? [] : ['--database-url-file', urlFile];
      const args = ['--master-key-file', masterKeyFile, ...authority, ...database];
      const port = await freePort();
      const program = join(folder, 'program');
      const start = { program, stateDirectory, port, args, log: (line: string) => this.#say(line) };
      this.#starts.push(start);
      this.#parts.controllers.push(await BenchController.start(start));
    }
  }

  #startFleet(): Fleet {
    const { hosts, folder } = this.#options;
    const members = hosts.map((host, index): Member => {
      const controller = this.#parts.controllers[index % this.#parts.controllers.length];
      if (controller === undefined) throw new Error('there is no controller');
      return { host, controller: controller.url, address: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}` };
    });
    const fleet = new Fleet(members, join(folder, 'agents'), (line) => this.#say(line));
    this.#parts.fleet = fleet;
    return fleet;
  }

  async #allCome(fleet: Fleet, revision: string): Promise<void> {
    await fleet.until('the agents are ready', () => true, 30_000);
    fleet.seek(revision);
    const began = Date.now();
    fleet.start((fleet.size / NEW_AGENTS_PER_S) * 1000);
    const all = fleet.size;
    const come = (seen: Seen): boolean => seen.given === all && seen.reported === all && seen.asking === all;
    const seen = await fleet.until('all agents are there', come, CONNECT_BOUND_MS);
    this.#add({
      name: 'all agents connected and waiting for news',
      unit: 's',
      samples: [(seen.lastGiven_ms - began) / 1000],
    });
    this.#errorsOf('while they come', seen);
    await this.#quiet();
    const { controllers } = this.#parts;
    this.#add({ name: 'RSS with all waiting', unit: 'MB', samples: controllers.map(({ rss_mb }) => rss_mb) });
    this.#say(`descriptors: ${controllers.map(({ descriptors }) => descriptors).join(', ')}`);
    this.#look();
  }

  async #pushReachesAll(fleet: Fleet, repository: FleetRepository): Promise<void> {
    const { controllers } = this.#parts;
    const before = fleet.seen;
    fleet.seek(await repository.commit(2));
    const cpu = controllers.map(({ cpu_s }) => cpu_s);
    const push = repository.push(this.#remote);
    const accepted_ms = await push.accepted;
    const all = fleet.size;
    const seen = await fleet.until(
      'all have it and have told',
      (s) => s.given === all && s.reported === all,
      PUSH_BOUND_MS,
    );
    const since = (at_ms: number, from_ms: number): number => (at_ms - from_ms) / 1000;
    this.#add({ name: 'push accepted', unit: 's', samples: [since(accepted_ms, push.began_ms)] });
    this.#add({ name: 'last agent after accepted', unit: 's', samples: [since(seen.lastGiven_ms, accepted_ms)] });
    this.#add({
      name: 'last agent after git push',
      unit: 's',
      samples: [since(seen.lastGiven_ms, push.began_ms)],
      below: MOST_TO_LAST_AGENT_S,
    });
    this.#add({
      name: 'last report after git push',
      unit: 's',
      samples: [since(seen.lastReported_ms, push.began_ms)],
    });
    const spent = controllers.map(({ cpu_s }, index) => cpu_s - (cpu[index] ?? 0));
    this.#add({ name: 'CPU of a controller for the push', unit: 's', samples: spent });
    const { code } = await push.ended;
    if (code !== 0) throw new Error('the push did not end well');
    this.#errorsOf('with the push', seen, before);
    this.#look();
    await this.#quiet();
  }

  async #killedInTheMiddle(fleet: Fleet, repository: FleetRepository): Promise<void> {
    const { controllers } = this.#parts;
    const [killed] = controllers;
    const [start] = this.#starts;
    if (killed === undefined || start === undefined) throw new Error('there is no controller');
    fleet.seek(await repository.commit(3));
    const push = repository.push(this.#remote);
    const all = fleet.size;
    const before = await fleet.until('some have it', ({ given }) => given > all * KILLED_AT_SHARE, PUSH_BOUND_MS);
    this.#look();
    await killed.kill();
    const killed_ms = Date.now();
    fleet.watch(killed.url);
    await sleep(RESTART_AFTER_MS);
    using connections = new AcceptedConnections();
    controllers[0] = await BenchController.start(start);
    this.#add({ name: 'restart: listens again after', unit: 's', samples: [(Date.now() - killed_ms) / 1000] });
    const concerned = fleet.at(killed.url);
    const back = await fleet.until('all are back', ({ answered }) => answered === concerned, CONNECT_BOUND_MS);
    this.#add({
      name: 'restart: all agents back after',
      unit: 's',
      samples: [(back.lastAnswered_ms - killed_ms) / 1000],
    });
    const seen = await fleet.until(
      'all have it and have told',
      (s) => s.given === all && s.reported === all,
      PUSH_BOUND_MS,
    );
    this.#add({
      name: 'restart: last agent has the push after',
      unit: 's',
      samples: [(seen.lastGiven_ms - killed_ms) / 1000],
    });
    this.#add({ name: 'restart: last report after', unit: 's', samples: [(seen.lastReported_ms - killed_ms) / 1000] });
    this.#say(`connections accepted each second: ${connections.perSecond.join(' ')}`);
    this.#say(`requests lost with the controller: ${JSON.stringify(seen.lost)}`);
    const most = Math.max(100, concerned * STAMPEDE_SHARE);
    this.#add({
      name: 'restart: most connections in a second',
      unit: 'count',
      samples: [connections.peak],
      atMost: most,
    });
    this.#errorsOf('of the restart, but lost connections', { ...seen, lost: before.lost }, before);
    await push.ended;
    this.#look();
  }

  #errorsOf(when: string, after: Seen, before?: Seen): void {
    const errors = (seen: Seen | undefined): number =>
      seen === undefined ? 0 : countOf(seen.errors) + countOf(seen.lost);
    const count = errors(after) - errors(before);
    if (count > 0) this.#say(`errors and lost requests so far: ${JSON.stringify([after.errors, after.lost])}`);
    this.#add({ name: `errors ${when}`, unit: 'count', samples: [count], atMost: 0 });
  }

  #look(): void {
    this.#peak_mb = Math.max(this.#peak_mb, ...this.#parts.controllers.map(({ peak_mb }) => peak_mb));
  }

  /** Resolves when the controllers have done what was to do. */
  async #quiet(): Promise<void> {
    const { controllers } = this.#parts;
    const end = performance.now() + QUIET_BOUND_MS;
    for (;;) {
      const before = controllers.map(({ cpu_s }) => cpu_s);
      await sleep(2000);
      if (controllers.every(({ cpu_s }, index) => cpu_s - (before[index] ?? 0) < 0.4)) return;
      if (performance.now() > end) throw new Error('a controller does not come to rest');
    }
  }
}

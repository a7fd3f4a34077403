import { setImmediate } from 'node:timers/promises';
import type { HostFacts } from '../compile/address.ts';
import { type Compilation, compileSteps, type PendingHost } from '../compile/compile.ts';
import type { Issue } from '../compile/issue.ts';
import type { Tree } from '../compile/tree.ts';
import type { SecretSources } from '../secrets/sources.ts';
import { normalPrefix } from '../source/git-tree.ts';
import type { Served, ServedHost, ServedStore } from '../store/served-store.ts';
import { SingleFlight } from './single-flight.ts';

/** Where revisions come from; the real one is a `Repository`. */
export interface Source {
  fetch(): Promise<string>;
  readTree(revision: string): Promise<Tree>;
}

export interface IntakeOptions {
  readonly source: Source;
  readonly directory: string;
  readonly store: ServedStore;
  readonly secrets: SecretSources;
  readonly facts: () => ReadonlyMap<string, HostFacts>;
  readonly now_ms: () => number;
  /** Told of every host whose manifest is another one now, or gone. */
  readonly changed: (hosts: readonly string[]) => void;
  readonly log: Log;
}

/** The part of pino that is used. */
export interface Log {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** The revision that the branch is at. */
export interface Wanted {
  readonly revision: string;
  readonly seen_ms: number;
  /** Why it is refused; empty when it is good. */
  readonly issues: readonly Issue[];
  /** The hosts that it names, with all their issues. */
  readonly hosts: readonly string[];
}

export interface Trouble {
  readonly message: string;
  readonly since_ms: number;
}

/** What became of one look at the repository. */
export interface Outcome {
  readonly changed: readonly string[];
}

/**
 * Takes revisions in: looks at the repository, compiles, and either serves the new revision or refuses it and goes on
 * with the last good one.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #flight = new SingleFlight(() => this.#look());
  #served: Served | undefined;
  #wanted: Wanted | undefined;
  #pending: ReadonlyMap<string, PendingHost> = new Map();
  #trouble: Trouble | undefined;
  #lastLook_ms: number | undefined;
  /** Counts the changes of secrets and facts; a compilation is outdated when it was made with an earlier count. */
  #inputs = 0;
  #wantedInputs = -1;
  #servedInputs = -1;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Takes up what was served before the restart. */
  async open(): Promise<void> {
    try {
      this.#served = await this.#options.store.load();
    } catch (error) {
      this.#options.log.error(
        { reason: messageOf(error) },
        'the saved manifests cannot be used; waiting for the repository',
      );
    }
  }

  get served(): Served | undefined {
    return this.#served;
  }

  get wanted(): Wanted | undefined {
    return this.#wanted;
  }

  /** Why the repository cannot be looked at, and since when. */
  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** To whom secrets in git have to be encrypted. */
  get recipient(): string {
    return this.#options.secrets.recipient;
  }

  get secretsProblem(): string | undefined {
    return this.#options.secrets.problem;
  }

  get lastLook_ms(): number | undefined {
    return this.#lastLook_ms;
  }

  /** Hosts whose manifest waits for something, by name. */
  get pending(): ReadonlyMap<string, PendingHost> {
    return this.#pending;
  }

  /** Why what is wanted is not what is served; `undefined` where it is, or where nothing is known to be wanted. */
  get whyDifferent(): string | undefined {
    if (this.#trouble !== undefined) return `the repository cannot be read: ${this.#trouble.message}`;
    const wanted = this.#wanted;
    if (wanted === undefined || wanted.revision === this.#served?.revision) return undefined;
    const count = wanted.issues.length;
    const last = this.#served === undefined ? 'nothing is served' : `revision ${this.#served.revision} is served on`;
    return `revision ${wanted.revision} is refused for ${count} ${count === 1 ? 'issue' : 'issues'}; ${last}`;
  }

  /** Whether the wanted or the served revision has such a host. */
  knows(host: string): boolean {
    return this.#served?.hosts.has(host) === true || this.#wanted?.hosts.includes(host) === true;
  }

  /** Looks again; resolves when a look that started after this call is done. Never rejects: see `trouble`. */
  refresh(): Promise<Outcome> {
    return this.#flight.run();
  }

  /** Hosts have reported other addresses. */
  refreshFacts(): Promise<Outcome> {
    this.#inputs += 1;
    return this.#flight.run();
  }

  idle(): Promise<void> {
    return this.#flight.idle();
  }

  async #look(): Promise<Outcome> {
    if (await this.#options.secrets.refresh()) this.#inputs += 1;
    try {
      const changed = await this.#take(await this.#options.source.fetch());
      this.#trouble = undefined;
      return { changed };
    } catch (error) {
      this.#complain(messageOf(error));
      return { changed: await this.#renewServed() };
    } finally {
      this.#lastLook_ms = this.#options.now_ms();
    }
  }

  async #take(revision: string): Promise<readonly string[]> {
    const inputs = this.#inputs;
    if (revision === this.#wanted?.revision && inputs === this.#wantedInputs) return this.#renewServed();
    const { log, now_ms } = this.#options;
    const compilation = await this.#compile(revision);
    const { issues } = compilation;
    const isNew = revision !== this.#wanted?.revision;
    const wasRefused = (this.#wanted?.issues.length ?? 0) > 0;
    const seen_ms = isNew ? now_ms() : (this.#wanted?.seen_ms ?? now_ms());
    const hosts = [...compilation.hosts.keys(), ...compilation.pending.keys()];
    this.#wanted = { revision, seen_ms, issues, hosts };
    this.#wantedInputs = inputs;
    if (issues.length > 0) {
      if (isNew) log.warn({ revision, issues: issues.length, first: issues[0] }, 'revision refused');
      const renewed = await this.#renewServed();
      this.#tellAll();
      return renewed;
    }
    const changed = await this.#serve(compilation, inputs);
    if (wasRefused) this.#tellAll();
    return changed;
  }

  /** What is wanted is part of every answer: hosts whose manifest stays the same hear of a refusal, and of its end, at once. */
  #tellAll(): void {
    this.#options.changed([...(this.#served?.hosts.keys() ?? [])]);
  }

  /** With other secrets or addresses, the revision that is served means something else, too. */
  async #renewServed(): Promise<readonly string[]> {
    const served = this.#served;
    const inputs = this.#inputs;
    if (served === undefined || inputs === this.#servedInputs) return [];
    try {
      const compilation = await this.#compile(served.revision);
      if (compilation.issues.length === 0) return await this.#serve(compilation, inputs);
      this.#servedInputs = inputs;
      return [];
    } catch (error) {
      this.#options.log.warn({ reason: messageOf(error) }, 'the served revision cannot be compiled again');
      return [];
    }
  }

  async #compile(revision: string): Promise<Compilation> {
    const { source, secrets, facts, directory } = this.#options;
    const tree = await source.readTree(revision);
    const secretsOfTree = await secrets.of(tree);
    return inTurns(
      compileSteps(tree, {
        ...secretsOfTree,
        revision,
        sequence: this.#nextSequence(),
        facts: facts(),
        prefix: normalPrefix(directory),
      }),
    );
  }

  async #serve(compilation: Compilation, inputs: number): Promise<readonly string[]> {
    const previous = this.#served;
    const hosts = mergeHosts(compilation, previous);
    const changed = changedHosts(hosts, previous);
    this.#pending = compilation.pending;
    this.#servedInputs = inputs;
    if (changed.length === 0 && previous?.revision === compilation.revision) return [];
    const next: Served = {
      revision: compilation.revision,
      sequence: compilation.sequence,
      since_ms: this.#options.now_ms(),
      hosts,
    };
    // On disk first: what a host has once got, a restarted controller must not take back.
    await this.#options.store.save(next, previous);
    this.#served = next;
    this.#options.log.info({ revision: next.revision, sequence: next.sequence, changed }, 'revision served');
    this.#options.changed(changed);
    return changed;
  }

  /** Rises with the clock, so that agents go on believing a controller that has lost its state directory. */
  #nextSequence(): number {
    return Math.max((this.#served?.sequence ?? 0) + 1, Math.floor(this.#options.now_ms() / 1000));
  }

  #complain(message: string): void {
    if (this.#trouble?.message !== message)
      this.#options.log.warn({ reason: message }, 'cannot take in the desired state');
    this.#trouble = { message, since_ms: this.#trouble?.since_ms ?? this.#options.now_ms() };
  }
}

/** How long a compilation may keep requests waiting: it lets them have their turn this often. */
const TURN_MS = 20;

async function inTurns(steps: Generator<void, Compilation, void>): Promise<Compilation> {
  let turnEnds = performance.now() + TURN_MS;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() < turnEnds) continue;
    await setImmediate();
    turnEnds = performance.now() + TURN_MS;
  }
}

/** A host that means the same as before keeps its manifest to the letter; one that is pending keeps what it had. */
function mergeHosts(compilation: Compilation, previous: Served | undefined): ReadonlyMap<string, ServedHost> {
  const hosts = new Map<string, ServedHost>();
  for (const [name, compiled] of compilation.hosts) {
    const known = previous?.hosts.get(name);
    hosts.set(name, known?.etag === compiled.etag ? known : { ...compiled, revision: compilation.revision });
  }
  for (const name of compilation.pending.keys()) {
    const known = previous?.hosts.get(name);
    if (known !== undefined) hosts.set(name, known);
  }
  return hosts;
}

function changedHosts(hosts: ReadonlyMap<string, ServedHost>, previous: Served | undefined): readonly string[] {
  const before = previous?.hosts ?? new Map<string, ServedHost>();
  const names = new Set([...hosts.keys(), ...before.keys()]);
  return [...names].filter((name) => hosts.get(name) !== before.get(name)).sort();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

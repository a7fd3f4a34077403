import { setTimeout as sleep } from 'node:timers/promises';
import type { HostFacts } from '../compile/address.ts';
import { type Compilation, compileSteps, type PendingHost } from '../compile/compile.ts';
import type { Issue } from '../compile/issue.ts';
import type { Tree } from '../compile/tree.ts';
import type { Candidate, Compiler, Refused } from '../git/ports.ts';
import type { Begun } from '../rollout/begin.ts';
import type { Rollouts } from '../rollout/rollouts.ts';
import type { SecretSources } from '../secrets/sources.ts';
import type { Serving } from '../serving.ts';
import { SingleFlight } from '../single-flight.ts';
import { normalPrefix } from '../source/git-tree.ts';
import { RefusedRevision } from '../source/refusal.ts';
import type { Found } from '../store/found.ts';
import { AskedAddresses } from './asked-addresses.ts';
import { inTurns } from './in-turns.ts';

/** Where revisions come from; the real one is a `Repository`. */
export interface Source {
  fetch(): Promise<string>;
  readTree(revision: string): Promise<Tree>;
  /** Who has brought it, where that is known. */
  candidateOf?(revision: string): Candidate | undefined;
}

export interface IntakeOptions {
  readonly source: Source;
  readonly directory: string;
  readonly rollouts: Pick<Rollouts, 'begin' | 'renewFacts' | 'found' | 'pushed' | 'current'>;
  readonly serving: Pick<Serving, 'get' | 'hosts'>;
  readonly secrets: SecretSources;
  readonly facts: () => ReadonlyMap<string, HostFacts>;
  readonly now_ms: () => number;
  /** Tells these hosts again what is wanted, and why they do not get it. */
  readonly tell: (hosts: readonly string[]) => void;
  /** Told of each new revision that is refused. */
  readonly refused: Refused;
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
  /** Hosts that get another manifest by it, or none any more: now, or in their turn. */
  readonly changed: readonly string[];
}

/** The newest good revision. */
export interface Good {
  readonly revision: string;
  readonly sequence: number;
  readonly since_ms: number;
}

/**
 * A look for other addresses compiles everything: when thousands of hosts are new, one after another, it takes this much
 * less time than what lies between two of them.
 */
const FACTS_REST = 5;
const MOST_FACTS_REST_MS = 60_000;

/** Distinct revisions that hosts have at the same time; more than a few only where rollouts were broken off again and again. */
const MOST_REVISIONS = 8;

/**
 * Takes revisions in: looks at the repository, compiles, and either begins to bring the new revision to the hosts or
 * refuses it, so that all go on with what they have.
 */
export class Intake implements Compiler {
  readonly #options: IntakeOptions;
  readonly #flight = new SingleFlight(() => this.#exclusive(() => this.#look()));
  #queue: Promise<unknown> = Promise.resolve();
  #wanted: Wanted | undefined;
  #pending: ReadonlyMap<string, PendingHost> = new Map();
  #trouble: Trouble | undefined;
  #lastLook_ms: number | undefined;
  /** Counts the changes of secrets and facts; a compilation is outdated when it was made with an earlier count. */
  #inputs = 0;
  /** A push is compiled when it is checked, and begun later. */
  readonly #madeWith = new WeakMap<Compilation, number>();
  #wantedInputs = -1;
  #goodInputs = -1;
  #factsChanged = false;
  readonly #addresses: AskedAddresses;
  #factsLook: Promise<Outcome> | undefined;
  #factsRestUntil_ms = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#addresses = new AskedAddresses(options.facts);
  }

  /** The newest good revision; hosts have it, or get it in their turn. */
  get served(): Good | undefined {
    const pushed = this.#options.rollouts.pushed;
    return pushed && { revision: pushed.revision, sequence: pushed.sequence, since_ms: pushed.started_ms };
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

  /** Why what is wanted is not the newest good revision; `undefined` where it is, or where nothing is known to be wanted. */
  get whyDifferent(): string | undefined {
    if (this.#trouble !== undefined) return `the repository cannot be read: ${this.#trouble.message}`;
    const wanted = this.#wanted;
    const { served } = this;
    if (wanted === undefined || wanted.revision === served?.revision) return undefined;
    const count = wanted.issues.length;
    const last = served === undefined ? 'nothing is served' : `revision ${served.revision} is served on`;
    return `revision ${wanted.revision} is refused for ${count} ${count === 1 ? 'issue' : 'issues'}; ${last}`;
  }

  /** Whether there is such a host, in the wanted or in the newest good revision. */
  knows(host: string): boolean {
    const { serving, rollouts } = this.#options;
    if (serving.get(host) !== undefined || this.#wanted?.hosts.includes(host) === true) return true;
    return rollouts.current?.hosts.get(host) !== undefined;
  }

  /** Looks again; resolves when a look that started after this call is done. Never rejects: see `trouble`. */
  refresh(): Promise<Outcome> {
    return this.#flight.run();
  }

  /** The host has reported other addresses. Only where they are part of a manifest is there something to do. */
  refreshFacts(host: string): Promise<Outcome> {
    // A compilation that is under way, here or at another controller, may tell otherwise.
    if (!this.#addresses.moved(host)) return Promise.resolve({ changed: [] });
    return this.#renewAddresses();
  }

  #renewAddresses(): Promise<Outcome> {
    this.#inputs += 1;
    this.#factsChanged = true;
    this.#factsLook ??= this.#lookForFacts();
    return this.#factsLook;
  }

  async #lookForFacts(): Promise<Outcome> {
    const rest_ms = this.#factsRestUntil_ms - performance.now();
    await sleep(Math.max(rest_ms, 0), undefined, { ref: false });
    // What is reported from here on takes another look.
    this.#factsLook = undefined;
    const began_ms = performance.now();
    try {
      return await this.#flight.run();
    } finally {
      const ended_ms = performance.now();
      this.#factsRestUntil_ms = ended_ms + Math.min((ended_ms - began_ms) * FACTS_REST, MOST_FACTS_REST_MS);
    }
  }

  async idle(): Promise<void> {
    await this.#flight.idle();
    await this.#queue;
  }

  /** The branch is at this revision now; `compilation` is at hand where it has just been checked. */
  async bring(candidate: Candidate, compilation?: Compilation): Promise<void> {
    await this.#exclusive(() => this.#take(candidate, compilation));
  }

  async compile(tree: Tree, revision: string): Promise<Compilation> {
    const { secrets, facts, directory } = this.#options;
    const inputs = this.#inputs;
    const secretsOfTree = await secrets.of(tree);
    const prefix = normalPrefix(directory);
    const sequence = this.#nextSequence();
    const steps = compileSteps(tree, { ...secretsOfTree, revision, sequence, facts: facts(), prefix });
    const compilation = await inTurns(steps);
    this.#madeWith.set(compilation, inputs);
    if (this.#addresses.learn(compilation.asked)) void this.#renewAddresses();
    return compilation;
  }

  async #look(): Promise<Outcome> {
    if (await this.#options.secrets.refresh()) this.#inputs += 1;
    try {
      const revision = await this.#options.source.fetch();
      await this.#renewFacts();
      await this.#renewPending();
      const changed = await this.#take(this.#candidateOf(revision));
      this.#trouble = undefined;
      return { changed };
    } catch (error) {
      const isNew = this.#trouble?.message !== messageOf(error);
      this.#complain(messageOf(error));
      if (isNew && error instanceof RefusedRevision) {
        const why = error.reasons.map((message) => ({ message }));
        await this.#options.refused(this.#candidateOf(error.revision), why);
      }
      await this.#renewFacts();
      return { changed: await this.#renewGood() };
    } finally {
      this.#lastLook_ms = this.#options.now_ms();
    }
  }

  #candidateOf(revision: string): Candidate {
    return this.#options.source.candidateOf?.(revision) ?? { revision, subject: '', by: MIRROR };
  }

  async #take(candidate: Candidate, given?: Compilation): Promise<readonly string[]> {
    const inputs = this.#inputs;
    const { revision } = candidate;
    if (revision === this.#wanted?.revision && inputs === this.#wantedInputs) return this.#renewGood();
    const fresh = given !== undefined && this.#madeWith.get(given) === inputs ? given : undefined;
    if (fresh === undefined && (await this.#takeOver(revision, inputs))) return [];
    const { log, now_ms } = this.#options;
    const compilation = fresh ?? (await this.compileRevision(revision));
    const { issues } = compilation;
    const isNew = revision !== this.#wanted?.revision;
    const wasRefused = (this.#wanted?.issues.length ?? 0) > 0;
    const seen_ms = isNew ? now_ms() : (this.#wanted?.seen_ms ?? now_ms());
    const hosts = [...compilation.hosts.keys(), ...compilation.pending.keys()];
    this.#wanted = { revision, seen_ms, issues, hosts };
    if (issues.length > 0) {
      this.#wantedInputs = inputs;
      if (isNew) {
        log.warn({ revision, issues: issues.length, first: issues[0] }, 'revision refused');
        await this.#options.refused(candidate, issues);
      }
      const renewed = await this.#renewGood();
      this.#tellAll();
      return renewed;
    }
    const { changed } = await this.#begin(candidate, compilation, inputs);
    this.#wantedInputs = inputs;
    if (wasRefused) this.#tellAll();
    return changed;
  }

  /**
   * What another controller has compiled and brings to the hosts is not compiled here, too: what it found is taken over.
   * Not where secrets or addresses have changed here, nor at the start, when they may have.
   */
  async #takeOver(revision: string, inputs: number): Promise<boolean> {
    if (inputs !== this.#goodInputs) return false;
    const found = await this.#options.rollouts.found(revision);
    if (found === undefined || revision !== this.served?.revision) return false;
    const wasRefused = (this.#wanted?.issues.length ?? 0) > 0;
    this.#pending = pendingOf(found);
    this.#wanted = { revision, seen_ms: this.#options.now_ms(), issues: [], hosts: found.hosts };
    this.#wantedInputs = inputs;
    if (this.#addresses.learn(found.asked)) void this.#renewAddresses();
    if (wasRefused) this.#tellAll();
    return true;
  }

  /** What hosts waited for, another controller may have been told. */
  async #renewPending(): Promise<void> {
    const { served } = this;
    if (this.#pending.size === 0 || served === undefined) return;
    const found = await this.#options.rollouts.found(served.revision);
    if (found !== undefined) this.#pending = pendingOf(found);
  }

  /** What is wanted is part of every answer: hosts whose manifest stays the same hear of a refusal, and of its end, at once. */
  #tellAll(): void {
    this.#options.tell([...this.#options.serving.hosts().keys()]);
  }

  /** With other secrets, the newest good revision means something else, too, though what is wanted now is not good. */
  async #renewGood(): Promise<readonly string[]> {
    const { served } = this;
    const inputs = this.#inputs;
    if (served === undefined || inputs === this.#goodInputs) return [];
    try {
      const compilation = await this.compileRevision(served.revision);
      this.#goodInputs = inputs;
      if (compilation.issues.length > 0) return [];
      const candidate = { revision: served.revision, subject: '', by: MIRROR };
      return (await this.#begin(candidate, compilation, inputs)).changed;
    } catch (error) {
      this.#options.log.warn({ reason: messageOf(error) }, 'the newest good revision cannot be compiled again');
      return [];
    }
  }

  /** Other addresses reach all hosts at once, whatever revision they have. */
  async #renewFacts(): Promise<void> {
    if (!this.#factsChanged) return;
    this.#factsChanged = false;
    const { serving, rollouts, log } = this.#options;
    const served = [...serving.hosts().values()].map(({ newestRevision }) => newestRevision);
    const revisions = new Set([...served, ...(this.served === undefined ? [] : [this.served.revision])]);
    for (const revision of [...revisions].slice(0, MOST_REVISIONS)) {
      try {
        const compilation = await this.compileRevision(revision);
        if (compilation.issues.length === 0) await rollouts.renewFacts(compilation);
      } catch (error) {
        log.warn({ revision, reason: messageOf(error) }, 'hosts with this revision do not get the new addresses');
      }
    }
  }

  async #begin(candidate: Candidate, compilation: Compilation, inputs: number): Promise<Begun> {
    const begun = await this.#options.rollouts.begin(candidate, compilation);
    this.#pending = compilation.pending;
    this.#goodInputs = inputs;
    return begun;
  }

  /** A revision of the repository, as with `compile`; it may be any commit that was fetched. */
  async compileRevision(revision: string): Promise<Compilation> {
    return this.compile(await this.#options.source.readTree(revision), revision);
  }

  /**
   * The sequence that a revision gets if no other is accepted before it. Never less than the seconds since the epoch, so
   * that agents go on believing a controller that has lost its database.
   */
  #nextSequence(): number {
    return Math.max((this.served?.sequence ?? 0) + 1, Math.floor(this.#options.now_ms() / 1000));
  }

  #complain(message: string): void {
    if (this.#trouble?.message !== message)
      this.#options.log.warn({ reason: message }, 'cannot take in the desired state');
    this.#trouble = { message, since_ms: this.#trouble?.since_ms ?? this.#options.now_ms() };
  }

  #exclusive<T>(job: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(job, job);
    this.#queue = run.then(
      () => undefined,
      () => undefined,
    );
    return run;
  }
}

function pendingOf({ pending }: Found): ReadonlyMap<string, PendingHost> {
  return new Map(pending.map((one) => [one.host, one]));
}

/** Who brings what is found at a look. */
const MIRROR = { actor: 'mirror', role: 'deploy', address: undefined } as const;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

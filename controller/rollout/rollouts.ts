import { ROLLOUT_DEFAULTS } from '../../desired-state/schema/rollout.ts';
import { fromWire } from '../../desired-state/schema/secret.ts';
import type { Compilation, CompiledHost } from '../compile/compile.ts';
import { credentialsOf } from '../compile/credentials.ts';
import type { Candidate, RolloutEvent } from '../git/ports.ts';
import type { Log } from '../intake/intake.ts';
import { Problem } from '../problem.ts';
import type { Serving } from '../serving.ts';
import { batchesOf } from '../store/batches.ts';
import type { Store } from '../store/database.ts';
import type { HostRecords } from '../store/host-records.ts';
import { acceptRevision } from '../store/revisions.ts';
import { saveManifests } from '../store/served-tables.ts';
import type { RolloutState } from '../store/tables.ts';
import { eventsOf, Told } from './events.ts';
import { factOf, type HostFact } from './facts.ts';
import { give, withSequence } from './give.ts';
import {
  isOver,
  type Rollout,
  type RolloutCause,
  type RolloutHost,
  type RolloutPlan,
  type RolloutView,
} from './model.ts';
import { orderRules } from './order.ts';
import { type HostToPlan, type PlannedHost, planRollout } from './plan.ts';
import {
  Conflict,
  insertRollout,
  latestId,
  listRollouts,
  loadHosts,
  loadRollout,
  type RolloutUpdate,
  updateHosts,
  updateRollout,
} from './rows.ts';
import { SILENT_MS, type Step, step, whyWaiting } from './step.ts';

export interface RolloutsOptions {
  readonly store: Store;
  readonly serving: Serving;
  readonly records: Pick<HostRecords, 'get' | 'onReport'>;
  readonly now_ms: () => number;
  readonly log: Log;
  /** Tells these hosts again why they do not get what is wanted. */
  readonly tell: (hosts: readonly string[]) => void;
  /** Told of each new state of a rollout by the controller that has brought it there. */
  readonly onState?: (rollout: Rollout) => void;
}

/** What became of a revision that was brought. */
export interface Begun {
  readonly rollout: Rollout;
  /** Hosts that get another manifest by it, or none any more; empty where it was on its way already. */
  readonly changed: readonly string[];
}

interface Current {
  readonly rollout: Rollout;
  readonly hosts: Map<string, RolloutHost>;
}

/** A revision that a host does not get yet, and why. */
export interface Withheld {
  readonly revision: string;
  readonly reason: string;
  /** How the rollout is that brings it. */
  readonly state: RolloutState;
}

/** Conflicts are rare, and each means that somebody else went on. */
const ATTEMPTS = 20;
/** What could not be written down, as when the database is away, is tried again after this. */
const RETRY_MS = 2_000;
/** Messages only shorten the delay: a controller that was killed between a change and its message has told nobody. */
const CATCH_UP_MS = 2_000;
const MOST_WAIT_MS = 60_000;
/** A look at thousands of hosts takes long, and each report asks for one: this much of the time is left to others. */
const LOOK_REST = 4;
const MOST_LOOK_REST_MS = 1_000;
/** Hosts that are told at once why they wait. */
const MOST_TOLD = 200;

/**
 * Brings revisions to hosts. All that counts is in the store, each change names the version that it was made from, and any
 * controller goes on with what it finds: none of them leads, and killing one loses nothing.
 */
export class Rollouts {
  readonly #options: RolloutsOptions;
  readonly #ends: (() => void)[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #offered_ms = new Map<string, number>();
  /** What hosts that wait were last told, by host. */
  #reasons: ReadonlyMap<string, string> = new Map();
  /** Id of the newest rollout; 0 where there never was one. */
  #latest = 0;
  /** The newest rollout, also when it is over. */
  #current: Current | undefined;
  /** The newest one that is no rollback: what is wanted. */
  #pushed: Rollout | undefined;
  #listening_ms = 0;
  #timer: NodeJS.Timeout | undefined;
  #catchUpTimer: NodeJS.Timeout | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #kicked = false;
  #restUntil_ms = 0;
  #restTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RolloutsOptions) {
    this.#options = options;
  }

  /** Goes on with what an earlier process, or another controller, has begun. */
  async open(): Promise<void> {
    const { store, records } = this.#options;
    this.#listening_ms = this.#options.now_ms();
    this.#ends.push(
      store.bus.subscribe('rollout', (_text, sender) => (sender === 'self' ? undefined : this.#reload())),
      store.bus.onGap(() => this.#reload()),
      records.onReport((hosts) => {
        if (hosts.some((host) => this.#current?.hosts.has(host))) this.look();
      }),
    );
    await this.#exclusive(() => this.#load());
    this.look();
    if (store.shared) this.#catchUpSoon();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#restTimer);
    clearTimeout(this.#catchUpTimer);
    for (const end of this.#ends) end();
    this.#tell();
    await this.#queue.catch(() => undefined);
  }

  /** The newest rollout. */
  get current(): { readonly rollout: Rollout; readonly hosts: ReadonlyMap<string, RolloutHost> } | undefined {
    return this.#current;
  }

  /** Resolves when what was begun before this call is written down, and the steps that follow from it are taken. */
  async settled(): Promise<void> {
    if (this.#restTimer !== undefined) this.#lookNow();
    await this.#exclusive(async () => undefined);
  }

  /** The newest revision that was brought, whatever became of it. */
  get pushed(): Pick<Rollout, 'id' | 'revision' | 'sequence' | 'started_ms' | 'state' | 'why'> | undefined {
    return this.#pushed;
  }

  list(limit: number, before?: number): Promise<readonly Rollout[]> {
    return listRollouts(this.#options.store.db, { limit, ...(before === undefined ? {} : { before }) });
  }

  async view(id: number): Promise<RolloutView | undefined> {
    if (this.#current?.rollout.id === id) return viewOf(this.#current);
    const { db } = this.#options.store;
    const rollout = await loadRollout(db, id);
    return rollout && { rollout, hosts: await loadHosts(db, id) };
  }

  /** What the host does not get yet; `undefined` where it has what is wanted. */
  withheld(host: string): Withheld | undefined {
    const current = this.#current;
    if (current === undefined) return undefined;
    const { rollout, hosts } = current;
    const row = hosts.get(host);
    if (rollout.cause === 'rollback') {
      const pushed = this.#pushed;
      if (row === undefined || pushed === undefined) return undefined;
      const { id, revision, state, why } = pushed;
      return { revision, state, reason: `rollout ${id} is ${state}: ${why ?? ''}` };
    }
    if (row?.state !== 'waiting') return undefined;
    return { revision: rollout.revision, state: rollout.state, reason: whyWaiting(rollout, row) };
  }

  /**
   * Begins to bring a revision to its hosts, in place of whatever is under way. Asked again for the revision that was
   * brought last it goes on with that, unless it means something else by now, as with other secrets.
   */
  begin(candidate: Candidate, compilation: Compilation): Promise<Begun> {
    return this.#exclusive(() => this.#again(() => this.#begin(candidate, compilation)));
  }

  /**
   * Other facts (addresses) give the manifests of a revision another text: hosts that have the revision get it at once,
   * hosts that wait for it will get it in their turn. A host that never had a manifest gets its first one.
   */
  renewFacts(compilation: Compilation): Promise<void> {
    return this.#exclusive(() => this.#again(() => this.#renewFacts(compilation)));
  }

  /** Goes on in spite of what has failed so far, and, if told so, of a freeze. */
  async resume(options: { readonly by: string; readonly ignoreFreeze?: boolean }): Promise<Rollout> {
    const { by, ignoreFreeze = false } = options;
    return this.#order(({ rollout, hosts }) => {
      if (rollout.state === 'running') throw refused(`rollout ${rollout.id} is running already`);
      if (rollout.state === 'frozen' && !ignoreFreeze) {
        throw refused(
          `rollout ${rollout.id} is ${rollout.why ?? 'frozen'}; to overrule that, resume it during the freeze`,
        );
      }
      const failed = [...hosts.values()].filter(({ state }) => state === 'failed').map(({ host }) => host);
      this.#options.log.info({ rollout: rollout.id, by, accepted: failed, ignoreFreeze }, 'rollout resumed');
      return {
        state: 'running',
        why: null,
        ended_ms: null,
        plan: {
          ...rollout.plan,
          held: null,
          accepted: [...new Set([...rollout.plan.accepted, ...failed])],
          ignoresFreeze: rollout.plan.ignoresFreeze || ignoreFreeze,
        },
      };
    });
  }

  /** Gives nobody more the revision until it is resumed. */
  async pause(options: { readonly by: string; readonly why: string }): Promise<Rollout> {
    const held = `by ${options.by}: ${options.why}`;
    return this.#order(({ rollout }) => ({
      state: 'paused',
      why: held,
      ended_ms: null,
      plan: { ...rollout.plan, held },
    }));
  }

  /**
   * Ends it: who has the revision keeps it, who waits for it goes on with what it has. With `rollback`, who was given the
   * revision gets back what it had before, all at once.
   */
  async abort(options: { readonly by: string; readonly why: string; readonly rollback?: boolean }): Promise<Rollout> {
    const { by, why, rollback = false } = options;
    const aborted = await this.#order(({ rollout }) => ({
      state: 'aborted',
      why: `by ${by}: ${why}`,
      ended_ms: this.#options.now_ms(),
      plan: rollout.plan,
    }));
    this.#options.log.warn({ rollout: aborted.id, by, why, rollback }, 'rollout aborted');
    return rollback ? this.#exclusive(() => this.#rollback(aborted, by)) : aborted;
  }

  /** What happens to the hosts with a revision, from the beginning of its rollout on; ends after `ended`, or with the signal. */
  async *follow(revision: string, signal: AbortSignal): AsyncGenerator<RolloutEvent, void, undefined> {
    const told = new Told();
    while (!signal.aborted && !this.#closed) {
      const changed = this.#nextChange(signal);
      const view = await this.#newestOf(revision);
      if (view !== undefined) {
        for (const event of eventsOf(view, told, (host) => this.#offered_ms.get(host))) {
          yield event;
          if (event.type === 'ended') return;
        }
      }
      await changed;
    }
  }

  async #renewFacts(compilation: Compilation): Promise<void> {
    const { serving, store, now_ms } = this.#options;
    const current = this.#current;
    const given = [...compilation.hosts.values()].filter((compiled) => {
      const served = serving.get(compiled.host);
      const row = this.#rowOf(compiled.host, compilation.revision);
      if (served === undefined) return row === undefined || row.state !== 'waiting';
      return served.newestRevision === compilation.revision && served.etag !== compiled.etag;
    });
    const waiting = [...compilation.hosts.values()].filter((compiled) => {
      const row = this.#rowOf(compiled.host, compilation.revision);
      return row !== undefined && row.etag !== compiled.etag;
    });
    const sequence = Math.max(serving.sequence + 1, Math.floor(now_ms() / 1000));
    await this.#save([...new Set([...given, ...waiting])], compilation.revision, sequence);
    await store.db.transaction().execute(async (db) => {
      await give(
        { db, sealer: store.sealer },
        given.map(({ host, etag }) => ({
          host,
          etag,
          revision: compilation.revision,
          after: serving.get(host)?.sequence ?? 0,
        })),
        now_ms(),
      );
      if (waiting.length === 0 || current === undefined) return;
      const { id, version, state, why } = current.rollout;
      // Nothing of it changes but the etags; the version makes everybody read them.
      const same = { state, why, ended_ms: null, now_ms: now_ms() };
      if (!(await updateRollout(db, { id, version }, same))) throw new Conflict('the rollout has gone on meanwhile');
      for (const { host, etag } of waiting) {
        const query = db.updateTable('rollout_hosts').set({ etag }).where('rollout', '=', id);
        await query.where('host', '=', host).execute();
      }
    });
    if (given.length > 0) await serving.renew(given.map(({ host }) => host));
    if (waiting.length > 0) await this.#changed();
  }

  async #begin({ revision, subject, by }: Candidate, compilation: Compilation): Promise<Begun> {
    const { store, serving, log, now_ms } = this.#options;
    await this.#load();
    const last = this.#current;
    const pushed = this.#pushed;
    if (last !== undefined && pushed?.revision === revision && !this.#isOutdated(compilation)) {
      return { rollout: last.rollout, changed: [] };
    }
    const cause: RolloutCause = pushed?.revision === revision ? 'renewal' : 'push';
    const hosts = this.#hostsToPlan(compilation);
    const planned = planRollout(hosts, await this.#orderOf(hosts, compilation));
    const sequence = await acceptRevision(
      store.db,
      { revision, seen_ms: now_ms(), pushedBy: by.actor, pushedFrom: by.address, subject },
      now_ms(),
    );
    const wanted = planned.hosts.flatMap(({ host }) => compilation.hosts.get(host) ?? []);
    await this.#save(wanted, revision, sequence);
    const removed = [...serving.hosts().keys()].filter((host) => !isIn(compilation, host));
    const id = await this.#insert({ revision, sequence, by: by.actor, cause, planned, compilation, removed });
    log.info({ rollout: id, revision, cause, hosts: planned.hosts.length, removed }, 'rollout begun');
    if (this.#current === undefined) throw new Error('the rollout that was begun is not there');
    const changed = [...planned.hosts.map(({ host }) => host), ...removed].sort();
    return { rollout: this.#current.rollout, changed };
  }

  async #insert(what: {
    readonly revision: string;
    readonly sequence: number;
    readonly by: string;
    readonly cause: RolloutCause;
    readonly planned: { readonly plan: RolloutPlan; readonly hosts: readonly PlannedHost[] };
    readonly compilation?: Compilation;
    readonly removed: readonly string[];
  }): Promise<number> {
    const { store, serving, now_ms } = this.#options;
    const { revision, sequence, by, cause, planned, compilation, removed } = what;
    const latest = this.#latest;
    const begun = { revision, sequence, startedBy: by, cause, ...planned, now_ms: now_ms() };
    const id = await store.db.transaction().execute(async (db) => {
      const rollout = await insertRollout(db, begun, latest);
      if (removed.length > 0) await db.deleteFrom('served').where('host', 'in', removed).execute();
      if (compilation === undefined) return rollout;
      // Hosts for which the revision means the same have it with that.
      let query = db.updateTable('served').set({ revision }).where('revision', '!=', revision);
      const pending = [...compilation.pending.keys()];
      if (pending.length > 0) query = query.where('host', 'not in', pending);
      await query
        .where('host', 'not in', db.selectFrom('rollout_hosts').select('host').where('rollout', '=', rollout))
        .execute();
      return rollout;
    });
    await serving.refresh();
    await store.bus.publish('served', '*');
    await this.#changed();
    this.#tellWaiting();
    return id;
  }

  /** Whether the revision that was brought last means something else by now for hosts that have it, or wait for it. */
  #isOutdated(compilation: Compilation): boolean {
    const last = this.#current;
    // What an operator has decided stands until something is pushed.
    if (last === undefined || last.rollout.cause === 'rollback' || last.rollout.state === 'aborted') return false;
    return [...compilation.hosts.values()].some(({ host, etag }) => {
      const target = last.hosts.get(host)?.etag ?? this.#options.serving.get(host)?.etag;
      return target !== etag;
    });
  }

  #hostsToPlan(compilation: Compilation): readonly HostToPlan[] {
    const { serving, records, now_ms } = this.#options;
    const unfinished =
      this.#current !== undefined && this.#current.rollout.state !== 'done' ? this.#current.hosts : undefined;
    return [...compilation.hosts.values()].map(({ host, environment, roles, etag, rollout }) => {
      const served = serving.get(host)?.etag;
      const state = unfinished?.get(host)?.state;
      const before =
        state === 'failed' || state === 'offered' ? 'broken' : state === 'converged' ? 'touched' : undefined;
      const alive = now_ms() - (records.get(host)?.lastSeen_ms ?? 0) <= SILENT_MS;
      return {
        host,
        environment,
        roles,
        etag,
        settings: rollout,
        alive,
        ...(served === undefined ? {} : { served }),
        ...(before === undefined ? {} : { before }),
      };
    });
  }

  async #orderOf(hosts: readonly HostToPlan[], compilation: Compilation) {
    const changed = hosts.filter(({ etag, served }) => etag !== served);
    const credentials = [];
    for (const { host } of changed) {
      const { sets = [], uses = [] } = compilation.hosts.get(host)?.credentials ?? {};
      if (sets.length === 0 && uses.length === 0) continue;
      const before = sets.length === 0 ? [] : await this.#setBefore(host);
      credentials.push({ host, setsNew: sets.filter((secret) => !before.includes(secret)), uses });
    }
    return orderRules(credentials);
  }

  /** The passwords that the host's present manifest sets. */
  async #setBefore(host: string): Promise<readonly string[]> {
    const { serving } = this.#options;
    const served = serving.get(host);
    if (served === undefined) return [];
    const manifest: unknown = fromWire(JSON.parse(await serving.text(served)));
    const resources =
      manifest !== null && typeof manifest === 'object' && 'resources' in manifest ? manifest.resources : [];
    return credentialsOf(Array.isArray(resources) ? resources : []).sets;
  }

  async #save(hosts: readonly CompiledHost[], revision: string, sequence: number): Promise<void> {
    const { store, now_ms } = this.#options;
    const manifests = hosts.map(({ host, etag, environment, roles, resources, text }) => ({
      host,
      etag,
      environment,
      roles,
      resources,
      revision,
      sequence,
      text: withSequence(text, sequence),
    }));
    // Each transaction waits for the disk; a single one would keep everything else waiting.
    for (const batch of batchesOf(manifests)) {
      await store.db.transaction().execute((db) => saveManifests({ db, sealer: store.sealer }, batch, now_ms()));
    }
  }

  async #rollback(aborted: Rollout, by: string): Promise<Rollout> {
    const { store, serving, log } = this.#options;
    await this.#load();
    const current = this.#current;
    if (current?.rollout.id !== aborted.id) throw refused('something else was pushed meanwhile: that goes on');
    const back = [...current.hosts.values()].filter(
      ({ state, previous, etag }) => isGiven(state) && previous !== null && previous !== etag,
    );
    if (back.length === 0) return aborted;
    const planned = planRollout(
      back.map(({ host, previous, etag }) => ({
        host,
        environment: serving.get(host)?.environment ?? '',
        roles: serving.get(host)?.roles ?? [],
        etag: previous ?? '',
        served: etag,
        settings: ROLLOUT_DEFAULTS,
        alive: true,
      })),
    );
    const before = await store.db
      .selectFrom('manifests')
      .select('revision')
      .where('host', '=', back[0]?.host ?? '')
      .where('etag', '=', back[0]?.previous ?? '')
      .executeTakeFirst();
    const sequence = Math.max(serving.sequence, aborted.sequence) + 1;
    const revision = before?.revision ?? aborted.revision;
    const id = await this.#insert({ revision, sequence, by, cause: 'rollback', planned, removed: [] });
    log.warn({ rollout: id, hosts: back.length }, 'hosts get back what they had');
    return this.#current?.rollout ?? aborted;
  }

  /** An operator's order for the rollout that is under way. Throws `Problem` where there is none. */
  #order(decide: (current: Current) => Omit<RolloutUpdate, 'now_ms'>): Promise<Rollout> {
    return this.#exclusive(async () => {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
        const current = this.#current;
        if (current === undefined || isOver(current.rollout.state)) throw refused('no rollout is under way');
        const update = { ...decide(current), now_ms: this.#options.now_ms() };
        const done = await this.#options.store.db
          .transaction()
          .execute((db) => updateRollout(db, current.rollout, update));
        await this.#changed();
        if (done && this.#current !== undefined) return this.#current.rollout;
      }
      throw refused('others are changing the rollout at the same time: try again');
    });
  }

  /** Reads the rollout again, takes the steps that are due, and tells everybody. */
  async #changed(): Promise<void> {
    await this.#load();
    await this.#advance();
    await this.#options.store.bus.publish('rollout', String(this.#current?.rollout.id ?? 0));
    this.#tell();
  }

  async #load(): Promise<void> {
    const { db } = this.#options.store;
    const id = await latestId(db);
    this.#latest = id;
    const before = this.#current?.rollout;
    const rollout = id === 0 ? undefined : await loadRollout(db, id);
    if (rollout === undefined) return;
    if (before?.id === id && before.version === rollout.version) return;
    const hosts = await loadHosts(db, id);
    if (before?.id !== id) this.#offered_ms.clear();
    this.#current = { rollout, hosts: new Map(hosts.map((row) => [row.host, row])) };
    this.#pushed = rollout.cause === 'rollback' ? await this.#newestPushed() : rollout;
  }

  async #newestPushed(): Promise<Rollout | undefined> {
    return (await listRollouts(this.#options.store.db, { limit: 50 })).find(({ cause }) => cause !== 'rollback');
  }

  async #reload(): Promise<void> {
    await this.#exclusive(() => this.#load());
    this.#tell();
    this.#tellWaiting();
    this.look();
  }

  /** Looks whether a step is due; many calls at once are one look. */
  look(): void {
    if (this.#kicked || this.#closed) return;
    this.#kicked = true;
    const rest_ms = this.#restUntil_ms - performance.now();
    if (rest_ms <= 0) this.#lookNow();
    else this.#restTimer = setTimeout(() => this.#lookNow(), rest_ms).unref();
  }

  #lookNow(): void {
    clearTimeout(this.#restTimer);
    this.#restTimer = undefined;
    this.#exclusive(async () => {
      this.#kicked = false;
      if (await this.#advance()) {
        await this.#options.store.bus.publish('rollout', String(this.#current?.rollout.id ?? 0));
        this.#tell();
      }
    }).catch((error: unknown) => {
      this.#kicked = false;
      this.#options.log.warn({ reason: messageOf(error) }, 'the rollout cannot go on now; it is tried again');
      this.#wake(RETRY_MS);
    });
  }

  /** Takes steps until none is due. Tells whether there was one. */
  async #advance(): Promise<boolean> {
    for (let taken = false; ; taken = true) {
      const current = this.#current;
      if (current === undefined || isOver(current.rollout.state) || this.#closed) return taken;
      const now_ms = this.#options.now_ms();
      const began_ms = performance.now();
      const next = step({
        rollout: current.rollout,
        hosts: [...current.hosts.values()],
        facts: (host) => this.#factOf(host),
        now_ms,
        listening_ms: this.#listening_ms,
      });
      const ended_ms = performance.now();
      this.#restUntil_ms = ended_ms + Math.min((ended_ms - began_ms) * LOOK_REST, MOST_LOOK_REST_MS);
      if (next.hosts.length === 0 && next.state === current.rollout.state && next.why === current.rollout.why) {
        this.#wake((next.nextLook_ms ?? now_ms + MOST_WAIT_MS) - now_ms);
        return taken;
      }
      await this.#take(current, next, now_ms);
    }
  }

  async #take(current: Current, next: Step, now_ms: number): Promise<void> {
    const { store, serving, log, onState } = this.#options;
    const { rollout, hosts } = current;
    const { state, why } = next;
    const changes = next.hosts.map((change) =>
      hosts.get(change.host)?.state === change.state ? change : { ...change, since_ms: now_ms },
    );
    const offered = changes.flatMap((change) => {
      const row = hosts.get(change.host);
      return row !== undefined && row.state === 'waiting' && change.state === 'offered' ? [row] : [];
    });
    const written = await store.db.transaction().execute(async (db) => {
      const ended_ms = isOver(state) ? now_ms : null;
      if (!(await updateRollout(db, rollout, { state, why, ended_ms, now_ms }))) return false;
      await updateHosts(db, rollout.id, changes);
      const gifts = offered.map(({ host, etag }) => ({
        host,
        etag,
        ...(rollout.cause === 'rollback' ? {} : { revision: rollout.revision }),
        after: serving.get(host)?.sequence ?? 0,
      }));
      await give({ db, sealer: store.sealer }, gifts, now_ms);
      return true;
    });
    if (!written) return this.#load();
    for (const change of changes) {
      const row = hosts.get(change.host);
      if (row !== undefined) hosts.set(change.host, { ...row, ...change });
    }
    for (const { host } of offered) this.#offered_ms.set(host, now_ms);
    const after: Rollout = {
      ...rollout,
      state,
      why,
      version: rollout.version + 1,
      updated_ms: now_ms,
      ended_ms: isOver(state) ? now_ms : null,
    };
    this.#current = { rollout: after, hosts };
    if (after.cause !== 'rollback') this.#pushed = after;
    if (offered.length > 0) await serving.renew(offered.map(({ host }) => host));
    if (state !== rollout.state || why !== rollout.why) {
      log.info({ rollout: rollout.id, revision: rollout.revision, state, why }, 'rollout is in another state');
      onState?.(after);
      this.#tellWaiting();
    }
    this.#tell();
  }

  /** Who waits is told why at once, where that is not a crowd: the others hear of it when their requests end. */
  #tellWaiting(): void {
    const waiting = [...(this.#current?.hosts.values() ?? [])].filter(({ state }) => state === 'waiting');
    if (waiting.length > MOST_TOLD) return;
    const before = this.#reasons;
    this.#reasons = new Map(waiting.map(({ host }) => [host, JSON.stringify(this.withheld(host))]));
    const news = waiting.filter(({ host }) => before.get(host) !== this.#reasons.get(host));
    this.#options.tell(news.map(({ host }) => host));
  }

  #factOf(host: string): HostFact {
    const { records, serving } = this.#options;
    const given = serving.get(host);
    const row = this.#current?.hosts.get(host);
    if (given === undefined && row !== undefined && row.state !== 'waiting') return { gone: true };
    return factOf(records.get(host), given);
  }

  #rowOf(host: string, revision: string): RolloutHost | undefined {
    const current = this.#current;
    if (current === undefined || current.rollout.revision !== revision || isOver(current.rollout.state))
      return undefined;
    return current.hosts.get(host);
  }

  #catchUpSoon(): void {
    if (this.#closed) return;
    this.#catchUpTimer = setTimeout(() => {
      this.#catchUp()
        .catch((error: unknown) => this.#options.log.warn({ reason: messageOf(error) }, 'the rollouts cannot be read'))
        .finally(() => this.#catchUpSoon());
    }, CATCH_UP_MS);
    this.#catchUpTimer.unref();
  }

  /** Reads again what others have changed without a word. */
  async #catchUp(): Promise<void> {
    if (!(await this.#exclusive(() => this.#isBehind()))) return;
    await this.#options.serving.refresh();
    await this.#reload();
  }

  async #isBehind(): Promise<boolean> {
    const { db } = this.#options.store;
    const id = await latestId(db);
    if (id !== this.#latest) return true;
    return id !== 0 && (await loadRollout(db, id))?.version !== this.#current?.rollout.version;
  }

  #wake(after_ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.look(), Math.min(Math.max(after_ms, 1), MOST_WAIT_MS));
    this.#timer.unref();
  }

  async #newestOf(revision: string): Promise<RolloutView | undefined> {
    if (this.#current?.rollout.revision === revision) return viewOf(this.#current);
    const { db } = this.#options.store;
    const [rollout] = await listRollouts(db, { limit: 1, revision });
    return rollout && { rollout, hosts: await loadHosts(db, rollout.id) };
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#listeners.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#listeners.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Does it again, from what is true by then, when somebody else was faster. */
  async #again<T>(job: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await job();
      } catch (error) {
        if (!(error instanceof Conflict) || attempt === ATTEMPTS) throw error;
        await this.#load();
        await this.#options.serving.refresh();
      }
    }
  }

  /** One change at a time within this process; between processes the versions decide. */
  #exclusive<T>(job: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(job, job);
    this.#queue = run.catch(() => undefined);
    return run;
  }
}

function isIn({ hosts, pending }: Compilation, host: string): boolean {
  return hosts.has(host) || pending.has(host);
}

function viewOf({ rollout, hosts }: Current): RolloutView {
  return { rollout, hosts: [...hosts.values()] };
}

function isGiven(state: RolloutHost['state']): boolean {
  return state === 'offered' || state === 'converged' || state === 'failed';
}

function refused(detail: string): Problem {
  return new Problem({ status: 409, title: 'Not possible now', detail });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

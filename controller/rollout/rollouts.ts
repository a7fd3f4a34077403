import type { Compilation } from '../compile/compile.ts';
import type { Candidate, RolloutEvent } from '../git/ports.ts';
import type { Serving } from '../serving.ts';
import type { Store } from '../store/database.ts';
import { type Found, readFound } from '../store/found.ts';
import type { HostRecords } from '../store/host-records.ts';
import { type Begun, begin } from './begin.ts';
import { CatchUp } from './catch-up.ts';
import { Followers } from './followers.ts';
import { type Current, Known } from './known.ts';
import { Looks } from './looks.ts';
import type { Rollout, RolloutView } from './model.ts';
import { abort, type PauseOrder, pause, type ResumeOrder, resume, rollback } from './orders.ts';
import type { Parts } from './parts.ts';
import { renewFacts } from './renew-facts.ts';
import { listRollouts } from './rows.ts';
import { again, Turns } from './turns.ts';
import { WaitingHosts, type Withheld, withheldFrom } from './waiting-hosts.ts';

export interface RolloutsOptions extends Pick<Parts, 'now_ms' | 'log' | 'onState'> {
  readonly store: Store;
  readonly serving: Serving;
  readonly records: Pick<HostRecords, 'get' | 'onReport'>;
  /** Tells these hosts again why they do not get what is wanted. */
  readonly tell: (hosts: readonly string[]) => void;
}

/**
 * Brings revisions to hosts. All that counts is in the store, each change names the version that it was made from, and any
 * controller goes on with what it finds: none of them leads, and killing one loses nothing.
 */
export class Rollouts {
  readonly #parts: Parts;
  readonly #records: RolloutsOptions['records'];
  readonly #turns = new Turns();
  readonly #looks: Looks;
  readonly #catchUp: CatchUp;
  #endReports: (() => void) | undefined;

  constructor({ tell, ...options }: RolloutsOptions) {
    const known = new Known(options.store.db);
    const followers = new Followers(known);
    const waiting = new WaitingHosts({ known, tell });
    const parts = { ...options, known, followers, waiting };
    const looks = new Looks({ ...parts, turns: this.#turns });
    this.#records = options.records;
    this.#looks = looks;
    this.#parts = { ...parts, changed: () => looks.changed() };
    this.#catchUp = new CatchUp({ ...parts, looks, turns: this.#turns });
  }

  /** Goes on with what an earlier process, or another controller, has begun. */
  async open(): Promise<void> {
    const { known } = this.#parts;
    this.#looks.open();
    this.#catchUp.listen();
    this.#endReports = this.#records.onReport((hosts) => {
      if (hosts.some((host) => known.current?.hosts.has(host))) this.look();
    });
    await this.#turns.take(() => known.load());
    this.look();
    this.#catchUp.watch();
  }

  async close(): Promise<void> {
    this.#looks.close();
    this.#catchUp.close();
    this.#endReports?.();
    this.#parts.followers.close();
    await this.#turns.done();
  }

  /** Looks whether a step is due; many calls at once are one look. */
  look(): void {
    this.#looks.look();
  }

  /** Resolves when what was begun before this call is written down, and the steps that follow from it are taken. */
  async settled(): Promise<void> {
    this.#looks.hurry();
    await this.#turns.done();
  }

  /** The newest rollout. */
  get current(): Current | undefined {
    return this.#parts.known.current;
  }

  /** The newest revision that was brought, whatever became of it. */
  get pushed(): Pick<Rollout, 'id' | 'revision' | 'sequence' | 'started_ms' | 'state' | 'why'> | undefined {
    return this.#parts.known.pushed;
  }

  list(limit: number, before?: number): Promise<readonly Rollout[]> {
    return listRollouts(this.#parts.store.db, { limit, ...(before === undefined ? {} : { before }) });
  }

  view(id: number): Promise<RolloutView | undefined> {
    return this.#parts.known.view(id);
  }

  /** What the host does not get yet; `undefined` where it has what is wanted. */
  withheld(host: string): Withheld | undefined {
    return withheldFrom(host, this.#parts.known);
  }

  begin(candidate: Candidate, compilation: Compilation): Promise<Begun> {
    return this.#turns.take(() => again(this.#parts, () => begin(this.#parts, candidate, compilation)));
  }

  /** What was found when the newest revision was compiled, by whatever controller; `undefined` where it is not this one. */
  async found(revision: string): Promise<Found | undefined> {
    const found = await readFound(this.#parts.store.db, revision);
    if (found === undefined || this.pushed?.revision === revision) return found;
    // Word of its rollout may still be on its way here, or lost.
    await this.#turns.take(() => this.#parts.known.load());
    this.look();
    return found;
  }

  renewFacts(compilation: Compilation): Promise<void> {
    return this.#turns.take(() => again(this.#parts, () => renewFacts(this.#parts, compilation)));
  }

  resume(order: ResumeOrder): Promise<Rollout> {
    return this.#turns.take(() => resume(this.#parts, order));
  }

  pause(order: PauseOrder): Promise<Rollout> {
    return this.#turns.take(() => pause(this.#parts, order));
  }

  /** With `rollback`, who was given the revision gets back what it had before. */
  async abort({ rollback: back = false, ...order }: PauseOrder & { readonly rollback?: boolean }): Promise<Rollout> {
    const aborted = await this.#turns.take(() => abort(this.#parts, order));
    this.#parts.log.warn({ rollout: aborted.id, ...order, rollback: back }, 'rollout aborted');
    return back ? this.#turns.take(() => rollback(this.#parts, aborted, order.by)) : aborted;
  }

  follow(revision: string, signal: AbortSignal): AsyncGenerator<RolloutEvent, void, undefined> {
    return this.#parts.followers.follow(revision, signal);
  }
}

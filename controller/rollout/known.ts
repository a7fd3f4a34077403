import type { Kysely } from 'kysely';
import type { Tables } from '../store/tables.ts';
import { isOver, type Rollout, type RolloutHost, type RolloutView } from './model.ts';
import { latestId, listRollouts, loadHosts, loadRollout } from './rows.ts';
import type { HostChange } from './step.ts';

/** The newest rollout, also when it is over. */
export interface Current {
  readonly rollout: Rollout;
  readonly hosts: ReadonlyMap<string, RolloutHost>;
}

/** A step that is written down. */
export interface TakenStep {
  readonly rollout: Rollout;
  readonly hosts: readonly HostChange[];
  /** The hosts that it has given the revision. */
  readonly offered: readonly string[];
  readonly now_ms: number;
}

/** How far back a rollout that is no rollback is looked for. */
const MOST_ROLLBACKS = 50;

/** What this process knows of rollouts: a copy of what is in the store, as of the last time that it was read. */
export class Known {
  readonly #db: Kysely<Tables>;
  readonly #offered_ms = new Map<string, number>();
  #latest = 0;
  #current: { readonly rollout: Rollout; readonly hosts: Map<string, RolloutHost> } | undefined;
  #pushed: Rollout | undefined;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  /** Id of the newest rollout; 0 where there never was one. */
  get latest(): number {
    return this.#latest;
  }

  get current(): Current | undefined {
    return this.#current;
  }

  /** The newest one that is no rollback: what is wanted. */
  get pushed(): Rollout | undefined {
    return this.#pushed;
  }

  /** When the host was given the revision, where this process has given it. */
  offered_ms(host: string): number | undefined {
    return this.#offered_ms.get(host);
  }

  /** What the revision's way to the host is, as long as it is on its way. */
  rowOf(host: string, revision: string): RolloutHost | undefined {
    const current = this.#current;
    if (current === undefined || current.rollout.revision !== revision || isOver(current.rollout.state))
      return undefined;
    return current.hosts.get(host);
  }

  async load(): Promise<void> {
    const id = await latestId(this.#db);
    this.#latest = id;
    const before = this.#current;
    const rollout = id === 0 ? undefined : await loadRollout(this.#db, id);
    if (rollout === undefined) return;
    const goesOn = before?.rollout.id === id;
    if (goesOn && before.rollout.version === rollout.version) return;
    const hosts = goesOn ? before.hosts : new Map<string, RolloutHost>();
    // Of thousands of hosts few have changed since.
    for (const row of await loadHosts(this.#db, id, goesOn ? before.rollout.version : 0)) hosts.set(row.host, row);
    if (!goesOn) this.#offered_ms.clear();
    this.#current = { rollout, hosts };
    this.#pushed = rollout.cause === 'rollback' ? await this.#newestPushed() : rollout;
  }

  /** Whether the store has something newer. */
  async isBehind(): Promise<boolean> {
    const id = await latestId(this.#db);
    if (id !== this.#latest) return true;
    return id !== 0 && (await loadRollout(this.#db, id))?.version !== this.#current?.rollout.version;
  }

  /** Follows a step that this process has just written down, without reading thousands of rows again. */
  follow({ rollout, hosts: changes, offered, now_ms }: TakenStep): void {
    const hosts = this.#current?.hosts ?? new Map<string, RolloutHost>();
    for (const change of changes) {
      const row = hosts.get(change.host);
      if (row !== undefined) hosts.set(change.host, { ...row, ...change });
    }
    for (const host of offered) this.#offered_ms.set(host, now_ms);
    this.#current = { rollout, hosts };
    if (rollout.cause !== 'rollback') this.#pushed = rollout;
  }

  async view(id: number): Promise<RolloutView | undefined> {
    if (this.#current?.rollout.id === id) return viewOf(this.#current);
    const rollout = await loadRollout(this.#db, id);
    return rollout && { rollout, hosts: await loadHosts(this.#db, id) };
  }

  /** The newest rollout of a revision. */
  async newestOf(revision: string): Promise<RolloutView | undefined> {
    if (this.#current?.rollout.revision === revision) return viewOf(this.#current);
    const [rollout] = await listRollouts(this.#db, { limit: 1, revision });
    return rollout && { rollout, hosts: await loadHosts(this.#db, rollout.id) };
  }

  async #newestPushed(): Promise<Rollout | undefined> {
    const rollouts = await listRollouts(this.#db, { limit: MOST_ROLLBACKS });
    return rollouts.find(({ cause }) => cause !== 'rollback');
  }
}

function viewOf({ rollout, hosts }: Current): RolloutView {
  return { rollout, hosts: [...hosts.values()] };
}

import type { Kysely } from 'kysely';
import type { Log } from '../intake/intake.ts';
import type { Bus } from '../store/bus.ts';
import type { Tables } from '../store/tables.ts';
import { git } from './git.ts';
import type { HostedRepository, Quarantine } from './hosted-repository.ts';
import type { Sharing } from './receive.ts';

export interface SharedRefsOptions {
  readonly db: Kysely<Tables>;
  readonly bus: Bus;
  readonly repository: HostedRepository;
  readonly now_ms: () => number;
  readonly log: Log;
}

/** So long a push may take from being accepted by the database to moving the branch here. */
const OWN_MS = 10_000;
/** What is missed otherwise is seen at such a look. */
const LOOK_MS = 10_000;
/** More packs than this become one; a controller that was away reads so many at most. */
const MOST_PACKS = 200;

/** Somebody else has moved the branch. */
class Lost extends Error {}

/**
 * One branch for controllers that share a database. What it says there is what counts: a push is accepted by comparing and
 * setting a row, with its objects beside it, and every controller makes its own copy agree.
 */
export class SharedRefs implements Sharing {
  readonly #options: SharedRefsOptions;
  /** Pushes to this controller whose branch git itself is about to move here, with when that is given up. */
  readonly #own = new Map<string, number>();
  readonly #closers: (() => void)[] = [];
  #queue: Promise<void> = Promise.resolve();
  #applied = 0;

  constructor(options: SharedRefsOptions) {
    this.#options = options;
  }

  /** Catches up with what was pushed while this controller was away, and from now on with what is pushed to others. */
  async open(): Promise<void> {
    const { bus, log } = this.#options;
    const look = (): void => {
      this.catchUp().catch((error: unknown) => log.warn({ err: error }, 'pushes to other controllers cannot be read'));
    };
    this.#closers.push(bus.subscribe('refs', look), bus.onGap(look));
    const timer = setInterval(look, LOOK_MS);
    this.#closers.push(() => clearInterval(timer));
    await this.catchUp();
  }

  async close(): Promise<void> {
    for (const closer of this.#closers.splice(0)) closer();
    await this.#queue;
  }

  async offer(
    { old, revision }: { readonly old: string | undefined; readonly revision: string },
    quarantine: Quarantine | undefined,
  ): Promise<boolean> {
    const pack = await this.#pack(old === undefined ? [revision] : [revision, `^${old}`], quarantine);
    this.#own.set(revision, this.#options.now_ms() + OWN_MS);
    try {
      await this.#move(old, revision, pack);
      return true;
    } catch (error) {
      this.#own.delete(revision);
      if (error instanceof Lost) return false;
      throw error;
    }
  }

  async announce(revision: string): Promise<void> {
    this.#own.delete(revision);
    await this.#options.bus.publish('refs', revision);
    await this.#join();
  }

  catchUp(): Promise<void> {
    const run = this.#queue.then(() => this.#catchUp());
    this.#queue = run.catch(() => undefined);
    return run;
  }

  async #catchUp(): Promise<void> {
    const { db, repository, log, now_ms } = this.#options;
    const row = await db
      .selectFrom('git_refs')
      .select('revision')
      .where('name', '=', repository.ref)
      .executeTakeFirst();
    const tip = await repository.tip();
    if (row === undefined) {
      // The first controller of this database brings what it has hosted alone.
      if (tip !== undefined) await this.#seed(tip);
      return;
    }
    const { revision } = row;
    const own_ms = this.#own.get(revision);
    if (revision === tip || (own_ms !== undefined && now_ms() < own_ms)) return;
    if (!(await repository.has(revision))) await this.#apply(this.#applied);
    // Its own counter may be ahead of a repository that was lost.
    if (!(await repository.has(revision))) await this.#apply(0);
    await repository.run(['update-ref', repository.ref, revision]);
    this.#own.delete(revision);
    log.info({ revision }, 'pushed to another controller');
  }

  async #seed(tip: string): Promise<void> {
    await this.#move(undefined, tip, await this.#pack([tip], undefined)).catch((error: unknown) => {
      if (!(error instanceof Lost)) throw error;
    });
  }

  async #move(old: string | undefined, revision: string, pack: Buffer): Promise<void> {
    const { db, repository, now_ms } = this.#options;
    await db.transaction().execute(async (transaction) => {
      await transaction.insertInto('git_packs').values({ at_ms: now_ms(), pack }).execute();
      if (old === undefined) {
        const inserted = await transaction
          .insertInto('git_refs')
          .values({ name: repository.ref, revision, version: 1 })
          .onConflict((conflict) => conflict.column('name').doNothing())
          .executeTakeFirst();
        if (inserted.numInsertedOrUpdatedRows !== 1n) throw new Lost();
        return;
      }
      const updated = await transaction
        .updateTable('git_refs')
        .set((row) => ({ revision, version: row('version', '+', 1) }))
        .where('name', '=', repository.ref)
        .where('revision', '=', old)
        .executeTakeFirst();
      if (updated.numUpdatedRows !== 1n) throw new Lost();
    });
  }

  /** Takes in what was pushed to others, pack by pack, so that no more than one is in memory. */
  async #apply(after: number): Promise<void> {
    const { db, repository } = this.#options;
    const rows = await db.selectFrom('git_packs').select('id').where('id', '>', after).orderBy('id').execute();
    for (const { id } of rows) {
      const row = await db.selectFrom('git_packs').select('pack').where('id', '=', id).executeTakeFirst();
      // Joined into another one meanwhile, which comes later.
      if (row === undefined) continue;
      const input = Buffer.from(row.pack);
      await git(['-c', 'transfer.fsckObjects=true', 'unpack-objects', '-q', '--strict'], {
        directory: repository.path,
        input,
      });
      this.#applied = id;
    }
  }

  async #pack(revisions: readonly string[], quarantine: Quarantine | undefined): Promise<Buffer> {
    const { repository } = this.#options;
    return repository.bytes(
      ['pack-objects', '--revs', '--stdout', '--quiet', '--delta-base-offset'],
      `${revisions.join('\n')}\n`,
      quarantine,
    );
  }

  /** Many packs become one with everything that the branch leads to. */
  async #join(): Promise<void> {
    const { db, repository, now_ms } = this.#options;
    const ids = await db.selectFrom('git_packs').select('id').orderBy('id').execute();
    const last = ids.at(-1)?.id;
    const tip = await repository.tip();
    if (ids.length <= MOST_PACKS || last === undefined || tip === undefined) return;
    const pack = await this.#pack([tip], undefined);
    await db.transaction().execute(async (transaction) => {
      await transaction.insertInto('git_packs').values({ at_ms: now_ms(), pack }).execute();
      await transaction.deleteFrom('git_packs').where('id', '<=', last).execute();
    });
  }
}

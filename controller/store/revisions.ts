import type { Kysely } from 'kysely';
import * as v from 'valibot';
import type { Refusal } from '../source/refusal.ts';
import { plain } from './plain.ts';
import type { Tables } from './tables.ts';

/** A revision that was offered, and what became of it. */
export interface Revision {
  /** git's object name of the commit. */
  readonly revision: string;
  readonly seen_ms: number;
  /** The name of a token, `mirror`, or a user of this machine. */
  readonly pushedBy: string;
  readonly pushedFrom?: string | undefined;
  /** The first line of its message. */
  readonly subject: string;
}

export interface RevisionRow extends Revision {
  readonly state: 'good' | 'refused';
  /** Of one that is good; the greatest is what is wanted now. */
  readonly sequence?: number;
  /** Why it was refused. */
  readonly issues: readonly Refusal[];
}

/** Only the first are kept, and of each not all hosts: 100 KB are usual, and whoever pushes it again sees all. */
const KEPT_ISSUES = 100;
const KEPT_HOSTS = 20;
/** Who brings a revision that is found by a look at the branch. */
const NOBODY = 'mirror';
/** Two controllers that accept at once want the same number; one of them takes the next. */
const ATTEMPTS = 10;

const issuesSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.array(v.custom<Refusal>((value) => typeof value === 'object')),
);

/**
 * Keeps a good revision and returns its sequence: greater than that of every revision before, and the wanted one where
 * that is. A revision that is accepted again (a rollback; other secrets) gets a new one. Not for use within a transaction.
 */
export async function acceptRevision(db: Kysely<Tables>, revision: Revision, wanted: number): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const sequence = Math.max((await lastSequence(db)) + 1, wanted);
    try {
      await put(db, { ...revision, state: 'good', sequence, issues: [] });
      return sequence;
    } catch (error) {
      if (attempt === ATTEMPTS || (await lastSequence(db)) < sequence) throw error;
    }
  }
}

/** Keeps why a revision was refused. One that was good before stays good: it may be served. */
export async function refuseRevision(
  db: Kysely<Tables>,
  revision: Revision,
  issues: readonly Refusal[],
): Promise<void> {
  await put(db, { ...revision, state: 'refused', issues });
}

/** The good revision with the greatest sequence. */
export async function lastGoodRevision(db: Kysely<Tables>): Promise<RevisionRow | undefined> {
  const query = db.selectFrom('revisions').selectAll().where('sequence', 'is not', null);
  const row = await query.orderBy('sequence', 'desc').limit(1).executeTakeFirst();
  return row && toRevision(row);
}

export async function readRevision(db: Kysely<Tables>, revision: string): Promise<RevisionRow | undefined> {
  const row = await db.selectFrom('revisions').selectAll().where('revision', '=', revision).executeTakeFirst();
  return row && toRevision(row);
}

/** Newest first. `before`: what the page before ended with; those that are older. */
export async function listRevisions(
  db: Kysely<Tables>,
  limit: number,
  before?: Pick<Revision, 'seen_ms' | 'revision'>,
): Promise<readonly RevisionRow[]> {
  let query = db.selectFrom('revisions').selectAll().orderBy('seen_ms', 'desc').orderBy('revision', 'desc');
  if (before !== undefined) {
    const { seen_ms, revision } = before;
    query = query.where((row) =>
      row.or([row('seen_ms', '<', seen_ms), row.and([row('seen_ms', '=', seen_ms), row('revision', '<', revision)])]),
    );
  }
  return (await query.limit(limit).execute()).map(toRevision);
}

/** Drops up to `most` revisions that are older, and never the last good one. Returns how many it were. */
export async function dropRevisions(db: Kysely<Tables>, before_ms: number, most: number): Promise<number> {
  const last = await lastSequence(db);
  const old = db
    .selectFrom('revisions')
    .select('revision')
    .where('seen_ms', '<', before_ms)
    .where((row) => row.or([row('sequence', 'is', null), row('sequence', '<', last)]))
    .orderBy('seen_ms')
    .limit(most);
  return Number((await db.deleteFrom('revisions').where('revision', 'in', old).executeTakeFirst()).numDeletedRows);
}

async function lastSequence(db: Kysely<Tables>): Promise<number> {
  const query = db.selectFrom('revisions').select((row) => row.fn.max('sequence').as('last'));
  return (await query.executeTakeFirst())?.last ?? 0;
}

async function put(db: Kysely<Tables>, { pushedBy, pushedFrom, ...given }: RevisionRow): Promise<void> {
  const row = {
    ...given,
    sequence: given.sequence ?? null,
    subject: plain(given.subject),
    pushed_by: plain(pushedBy),
    pushed_from: pushedFrom === undefined ? null : plain(pushedFrom),
    issues: JSON.stringify(given.issues.slice(0, KEPT_ISSUES).map(bounded)),
  };
  const insert = db.insertInto('revisions').values(row);
  const { revision: _key, ...all } = row;
  if (given.state === 'good') {
    await insert.onConflict((conflict) => conflict.column('revision').doUpdateSet(all)).execute();
    return;
  }
  const { seen_ms, issues } = row;
  // Who pushed it once is not forgotten for a look that knows less.
  const changes = pushedBy === NOBODY ? { seen_ms, issues } : all;
  await insert
    .onConflict((conflict) => conflict.column('revision').doUpdateSet(changes).where('revisions.state', '=', 'refused'))
    .execute();
}

/** Anybody who may push has a hand in the names of files and in what is quoted from them. */
function bounded(refusal: Refusal): Refusal {
  const message = plain(refusal.message);
  if (!('file' in refusal)) return { message };
  return { ...refusal, message, file: plain(refusal.file), hosts: refusal.hosts.slice(0, KEPT_HOSTS) };
}

function toRevision(row: {
  revision: string;
  sequence: number | null;
  seen_ms: number;
  state: 'good' | 'refused';
  issues: string;
  pushed_by: string;
  pushed_from: string | null;
  subject: string;
}): RevisionRow {
  const { revision, sequence, seen_ms, state, issues, pushed_by, pushed_from, subject } = row;
  return {
    revision,
    seen_ms,
    state,
    subject,
    pushedBy: pushed_by,
    ...(pushed_from === null ? {} : { pushedFrom: pushed_from }),
    ...(sequence === null ? {} : { sequence }),
    issues: v.parse(issuesSchema, issues),
  };
}

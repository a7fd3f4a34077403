import type { Kysely } from 'kysely';
import type { Refused } from '../git/ports.ts';
import { refuseRevision } from '../store/revisions.ts';
import type { Tables } from '../store/tables.ts';
import type { Log } from './intake.ts';

/**
 * Keeps who brought a revision that was refused, and why. It is refused all the same where that cannot be written down. Its
 * commit may be nowhere: git drops what a refused push has brought.
 */
export function keepRefusals({
  db,
  now_ms,
  log,
}: {
  readonly db: Kysely<Tables>;
  readonly now_ms: () => number;
  readonly log: Log;
}): Refused {
  return async ({ revision, subject, by: { actor: pushedBy, address: pushedFrom } }, why) => {
    try {
      await refuseRevision(db, { revision, subject, pushedBy, pushedFrom, seen_ms: now_ms() }, why);
    } catch (error) {
      log.warn({ err: error, revision }, 'why a revision was refused is not kept');
    }
  };
}

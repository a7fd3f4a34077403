import type { Kysely } from 'kysely';
import type { Tables } from '../store/tables.ts';
import { recipientOf } from './age.ts';
import type { Identities } from './identity.ts';

const RECIPIENT = 'age.recipient';

export interface OneKeyOptions {
  readonly db: Kysely<Tables>;
  readonly identities: Identities;
  readonly log: { warn(values: object, text: string): void };
}

/**
 * Controllers of one database read the secrets in git with the same key; one that has another would refuse the trees that
 * the others serve. It says so and starts all the same: a key is changed on one controller after the other, and what is
 * encrypted to both is read by both.
 */
export async function warnOfAnotherKey({ db, identities, log }: OneKeyOptions): Promise<void> {
  const { recipient, keys } = identities;
  await db
    .insertInto('settings')
    .values({ name: RECIPIENT, value: recipient })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const { value } = await db
    .selectFrom('settings')
    .select('value')
    .where('name', '=', RECIPIENT)
    .executeTakeFirstOrThrow();
  if (value === recipient) return;
  const own = await Promise.all(keys.map(recipientOf));
  if (!own.includes(value)) {
    log.warn(
      { recipient, others: value },
      'the key for secrets in git is not the one that this database was used with before: what is encrypted to that one alone ' +
        'cannot be read here; take age.key of another controller of the database, or of the backup, or run: holdfast secret rekey',
    );
    return;
  }
  await db.updateTable('settings').set({ value: recipient }).where('name', '=', RECIPIENT).execute();
}

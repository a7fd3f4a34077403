import { createHmac } from 'node:crypto';
import type { Secret } from '../../desired-state/schema/secret.ts';

/** What a name in PostgreSQL, a file name and a label may hold alike. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const LENGTH = 8;

/**
 * A short name for the present text of a secret: another text has another one. It may be seen by everybody; only who has
 * the key could use it to check a guess of the text.
 */
export function secretVersion(name: string, secret: Secret, key: Buffer): string {
  const digest = createHmac('sha256', key).update(`${name}\0${secret.reveal()}`).digest();
  return Array.from(digest.subarray(0, LENGTH), (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Kysely } from 'kysely';
import { makeFileAtomically } from './atomic-file.ts';
import { Sealer } from './sealed.ts';
import type { Tables } from './tables.ts';

const KEY_BYTES = 32;
const CHECK = 'master_key_check';

/**
 * The controller's own secret. The first controller of a database makes it and leaves a value by which the others are
 * checked: all of them have the same. Throws when it is another one, is missing, or can be read by others.
 */
export async function openMasterKey(db: Kysely<Tables>, path: string): Promise<Uint8Array> {
  const known = await readCheck(db);
  if (known === undefined) await makeFileAtomically(path, `${randomBytes(KEY_BYTES).toString('hex')}\n`);
  const key = await readMasterKey(path);
  const value = new Sealer(key).check;
  const keepFirst = db.insertInto('settings').values({ name: CHECK, value });
  await keepFirst.onConflict((conflict) => conflict.column('name').doNothing()).execute();
  if ((await readCheck(db)) === value) return key;
  throw new Error(
    `the master key ${path} is not the one that this database was sealed with: take the file of another controller of ` +
      'the same database, or of the backup',
  );
}

async function readCheck(db: Kysely<Tables>): Promise<string | undefined> {
  return (await db.selectFrom('settings').select('value').where('name', '=', CHECK).executeTakeFirst())?.value;
}

async function readMasterKey(path: string): Promise<Uint8Array> {
  let text: string;
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) throw new Error(`${path} can be read by others: make it mode 0600`);
    text = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    throw new Error(
      `there is no master key ${path}, and this database is sealed with one: take the file of another controller of the ` +
        'same database, or of the backup',
      { cause: error },
    );
  }
  if (!/^[0-9a-f]{64}$/.test(text)) throw new Error(`${path} is not a master key: 64 hexadecimal digits are expected`);
  return Buffer.from(text, 'hex');
}

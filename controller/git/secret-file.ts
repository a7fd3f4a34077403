import { readFile, stat } from 'node:fs/promises';

/** The one line of a file that only its owner may read. Throws with what is wrong with it, never its text. */
export async function readSecretFile(path: string): Promise<string> {
  const stats = await stat(path);
  if ((stats.mode & 0o077) !== 0) throw new Error(`${path}: others may read it; run: chmod 600 ${path}`);
  const text = (await readFile(path, 'utf8')).trim();
  if (!/^[\x21-\x7e]{8,}$/.test(text)) throw new Error(`${path}: expected at least 8 characters on one line`);
  return text;
}

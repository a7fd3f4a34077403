import { readFile, stat } from 'node:fs/promises';

export function isDatabaseUrl(text: string): boolean {
  return URL.canParse(text) && /^postgres(?:ql)?:$/.test(new URL(text).protocol);
}

/** Throws with what is wrong with the file, never its text. */
export async function readDatabaseUrl(path: string): Promise<string> {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) throw new Error(`${path} can be read by others, and holds a password: make it mode 0600`);
  const text = (await readFile(path, 'utf8')).trim();
  if (isDatabaseUrl(text)) return text;
  throw new Error(`${path}: expected postgres://USER:PASSWORD@HOST/DATABASE on one line`);
}

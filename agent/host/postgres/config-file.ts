import type { ConfigAssignment } from './port.ts';

/** The grammar of `postgresql.conf` (guc-file.l): `name [=] value`, quotes doubled or with a backslash, `#` to the end of the line. Pure. */

export interface Include {
  readonly kind: 'include' | 'include_if_exists' | 'include_dir';
  readonly target: string;
  readonly line: number;
}

export type ConfigItem = (ConfigAssignment & { readonly kind: 'assignment' }) | Include;

const LINE = /^\s*([A-Za-z_][\w$.]*)\s*=?\s*(?:'((?:[^'\\]|''|\\.)*)'|([^\s#']+))\s*(?:#.*)?$/;
const INCLUDE_KINDS = new Set(['include', 'include_if_exists', 'include_dir']);

/** Items in the order of the lines. Lines that do not parse are left to the server, which names them. */
export function parseConfig(text: string): readonly ConfigItem[] {
  return text.split('\n').flatMap((line, index) => parseLine(line, index));
}

function parseLine(text: string, line: number): ConfigItem[] {
  const match = LINE.exec(text);
  const word = match?.[1]?.toLowerCase();
  if (match === null || word === undefined) return [];
  const value = match[2] === undefined ? (match[3] ?? '') : unquote(match[2]);
  if (isIncludeKind(word)) return [{ kind: word, target: value, line }];
  return [{ kind: 'assignment', name: word, value, line }];
}

function isIncludeKind(word: string): word is Include['kind'] {
  return INCLUDE_KINDS.has(word);
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function unquote(quoted: string): string {
  return quoted.replace(/''|\\([0-7]{1,3}|.)/g, (whole, escaped: string | undefined) => {
    if (escaped === undefined) return whole === "''" ? "'" : whole;
    if (/^[0-7]/.test(escaped)) return String.fromCharCode(Number.parseInt(escaped, 8));
    return ESCAPES[escaped] ?? escaped;
  });
}

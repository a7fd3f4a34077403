import { normalAddress, prefixOf } from './address.ts';
import type { HbaRule } from './hba.ts';

/** Reads a `pg_hba.conf` the way the server does (hba.c). Pure. */

/** `undefined` where a line is not understood: such a file is never taken for the declared one. */
export function parseHba(text: string): readonly HbaRule[] | undefined {
  const rules: HbaRule[] = [];
  for (const line of text.replaceAll('\\\n', '').split('\n')) {
    const fields = fieldsOf(line);
    if (fields === undefined) return undefined;
    if (fields.length === 0) continue;
    const rule = ruleOf(fields);
    if (rule === undefined) return undefined;
    rules.push(rule);
  }
  return rules;
}

function ruleOf(fields: readonly (readonly string[])[]): HbaRule | undefined {
  const [type, database, user, ...rest] = fields;
  if (type?.[0] === undefined || database === undefined || user === undefined) return undefined;
  const base = { type: type[0], database, user };
  if (base.type === 'local') return withMethod(base, rest);
  const [address, next, ...others] = rest;
  const spelled = address?.[0];
  if (spelled === undefined) return undefined;
  const prefix = prefixOf(next?.[0] ?? '');
  if (prefix === undefined) return withMethod({ ...base, address: normalAddress(spelled) }, rest.slice(1));
  return withMethod({ ...base, address: normalAddress(`${spelled}/${prefix}`) }, others);
}

function withMethod(base: Omit<HbaRule, 'method' | 'options'>, rest: readonly (readonly string[])[]) {
  const [method, ...options] = rest;
  if (method?.[0] === undefined) return undefined;
  return { ...base, method: method[0], options: options.flat() };
}

/** Fields are divided by blanks, the items of a field by commas; within double quotes neither counts. */
function fieldsOf(line: string): readonly (readonly string[])[] | undefined {
  const fields: string[][] = [];
  const token = /\s*(#.*$)|\s*((?:"(?:[^"]|"")*"|[^\s",#])+)(\s*,)?|\s+$/gy;
  let joins = false;
  while (token.lastIndex < line.length) {
    const match = token.exec(line);
    if (match === null) return undefined;
    if (match[1] !== undefined) break;
    if (match[2] === undefined) continue;
    const item = unquote(match[2]);
    if (joins) fields.at(-1)?.push(item);
    else fields.push([item]);
    joins = match[3] !== undefined;
  }
  return fields;
}

const KEYWORDS = new Set(['all', 'sameuser', 'samerole', 'samegroup', 'replication', 'samehost', 'samenet']);

/** A quoted keyword is a name: it keeps its quotes. */
function unquote(token: string): string {
  const plain = token.replaceAll(/"((?:[^"]|"")*)"/g, (_, inner: string) => inner.replaceAll('""', '"'));
  const quotedName = token.startsWith('"') && (KEYWORDS.has(plain) || /^[+@/]/.test(plain));
  return quotedName ? `"${plain}"` : plain;
}

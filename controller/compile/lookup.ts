import { Secret } from '../../desired-state/schema/secret.ts';
import { isPlainObject } from '../../desired-state/schema/walk.ts';
import { hint } from './names.ts';

/** Names whose values are worked out when asked for: variables that are templates themselves, secrets, addresses. */
export interface Names {
  readonly names: () => Iterable<string>;
  readonly get: (name: string) => unknown;
}

/** A value that is not known yet, though nothing is wrong with the tree: the address of a host that has not reported one. */
export class Pending {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** A value that could not be worked out, and has been reported where it stands. */
export const BROKEN = Symbol('broken');

export type Found =
  | { readonly found: true; readonly value: unknown }
  | { readonly found: false; readonly message: string };

/**
 * Looks a dotted name up in the innermost scope that has its first part. `.` is the innermost scope itself. Only own
 * properties count: no name reaches a method or a prototype.
 */
export function lookup(name: string, scopes: readonly unknown[]): Found {
  if (name === '.') return { found: true, value: scopes.at(-1) };
  const [first = '', ...rest] = name.split('.');
  const scope = scopes.findLast((one) => child(one, first) !== undefined);
  if (scope === undefined) {
    return missing(name, `there is no "${first}"${hint(first, scopes.flatMap(namesOf))}`);
  }
  let value = child(scope, first);
  let path = first;
  for (const part of rest) {
    if (value instanceof Pending || value === BROKEN) return { found: true, value };
    const next = child(value, part);
    if (next === undefined) return missing(name, absent(path, part, value));
    value = next;
    path = `${path}.${part}`;
  }
  return { found: true, value };
}

/** What a scope or value has by that name; `undefined` for nothing. */
function child(value: unknown, name: string): unknown {
  if (isNames(value)) return value.get(name);
  if (Array.isArray(value)) return /^\d+$/.test(name) ? value[Number(name)] : undefined;
  return isPlainObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function absent(path: string, part: string, value: unknown): string {
  if (Array.isArray(value)) {
    return value.length === 0
      ? `"${path}" is empty: no host of this environment has that role`
      : `"${path}" has the items 0 to ${value.length - 1}`;
  }
  if (isNames(value) || isPlainObject(value)) return `there is no "${part}" in "${path}"${hint(part, namesOf(value))}`;
  return `"${path}" is ${value instanceof Secret ? 'a secret' : 'a single value'} and has no parts`;
}

function missing(name: string, why: string): Found {
  return { found: false, message: `unresolved name "${name}": ${why}` };
}

function namesOf(value: unknown): readonly string[] {
  if (isNames(value)) return [...value.names()];
  return isPlainObject(value) ? Object.keys(value) : [];
}

function isNames(value: unknown): value is Names {
  return isPlainObject(value) && typeof value['get'] === 'function' && typeof value['names'] === 'function';
}

import { inspect } from 'node:util';

/**
 * Text that holds something secret: a password, a key, or a rendered file with a password in it.
 *
 * It prints as `***` everywhere (string conversion, JSON, `util.inspect`); only `reveal()` gives the text, and only an
 * `apply`, or the comparison that a `diff` needs, may call it. `fragments` are the secret parts of the text, so that a
 * file with one password in it can still be shown with only that password masked.
 */
export class Secret {
  readonly #text: string;
  readonly #fragments: readonly string[];

  constructor(text: string, fragments: readonly string[] = [text]) {
    this.#text = text;
    this.#fragments = fragments.filter((fragment) => fragment !== '');
  }

  reveal(): string {
    return this.#text;
  }

  fragments(): readonly string[] {
    return this.#fragments;
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect.custom](): string {
    return 'Secret(***)';
  }
}

/** Text that may or may not hold a secret. */
export type MaybeSecret = string | Secret;

/** The clear text of either form. */
export function reveal(text: MaybeSecret): string {
  return typeof text === 'string' ? text : text.reveal();
}

/** How a `Secret` travels in a compiled manifest: the only place where it stands in clear. */
export interface WireSecret {
  readonly $secret: string;
  readonly fragments: readonly string[];
}

/** Replaces every `Secret` inside `value` by its wire form, so that `JSON.stringify` keeps it. */
export function toWire(value: unknown): unknown {
  if (value instanceof Secret) return { $secret: value.reveal(), fragments: value.fragments() } satisfies WireSecret;
  if (Array.isArray(value)) return value.map(toWire);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toWire(item)]));
  }
  return value;
}

export function holdsSecret(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false;
  if (value instanceof Secret) return true;
  return (Array.isArray(value) ? value : Object.values(value)).some(holdsSecret);
}

/** Replaces every wire form inside parsed JSON by a `Secret`. */
export function fromWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromWire);
  if (value === null || typeof value !== 'object') return value;
  if ('$secret' in value && typeof value.$secret === 'string') {
    const fragments = 'fragments' in value && Array.isArray(value.fragments) ? value.fragments : [value.$secret];
    return new Secret(
      value.$secret,
      fragments.filter((fragment) => typeof fragment === 'string'),
    );
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromWire(item)]));
}

/** Every secret fragment inside `value`, for the masks of logs, reports and errors. */
export function collectFragments(value: unknown, into: Set<string> = new Set()): Set<string> {
  if (value instanceof Secret) for (const fragment of value.fragments()) into.add(fragment);
  else if (Array.isArray(value)) for (const item of value) collectFragments(item, into);
  else if (value !== null && typeof value === 'object') {
    for (const item of Object.values(value)) collectFragments(item, into);
  }
  return into;
}

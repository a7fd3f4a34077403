import Mustache from 'mustache';
import { type MaybeSecret, Secret } from '../../desired-state/schema/secret.ts';
import { escapeFor, type Quote, QuoteTracker, Refused, type Target } from './escape.ts';
import { BROKEN, lookup, Pending } from './lookup.ts';

/** How deep partials may include partials, how often sections may repeat, and how long a result may be. */
const MAX_PARTIALS = 10;
const MAX_STEPS = 1_000_000;
const MAX_LENGTH = 10 * 1024 * 1024;

export interface TemplateSource {
  readonly name: string;
  readonly text: string;
}

/** Where something is wrong in a template: its offset there. */
export interface TemplateProblem {
  readonly source: TemplateSource;
  readonly offset: number;
  readonly message: string;
}

export interface RenderOptions {
  /** Innermost last. */
  readonly scopes: readonly unknown[];
  readonly target: Target;
  readonly partial: (name: string) => TemplateSource | undefined;
  readonly problem: (problem: TemplateProblem) => void;
  readonly pending: (reason: string) => void;
}

/** Parses templates once for all the hosts that use them. */
export class Templates {
  /** Not Mustache's own cache, which would keep every template of every revision for as long as the process lives. */
  readonly #parsed = new Map<string, readonly Token[] | TemplateProblem>();

  /** The rendered text; `undefined` when something was wrong or is pending, which has been told by then. */
  render(source: TemplateSource, options: RenderOptions): MaybeSecret | undefined {
    return new Rendering(options, (one) => this.#parse(one)).run(source);
  }

  /** The value of a text that is a single tag and nothing else, in its own type; `undefined` when it is more than that. */
  soleValue(source: TemplateSource, scopes: readonly unknown[]): { readonly value: unknown } | undefined {
    const tokens = this.#parse(source);
    if (!Array.isArray(tokens) || tokens.length !== 1 || tokens[0]?.[0] !== 'name') return undefined;
    const found = lookup(tokens[0][1], scopes);
    return found.found ? { value: found.value } : undefined;
  }

  #parse(source: TemplateSource): readonly Token[] | TemplateProblem {
    const known = this.#parsed.get(source.text);
    if (known !== undefined) return isProblem(known) ? { ...known, source } : known;
    const parsed = parse(source);
    this.#parsed.set(source.text, parsed);
    return parsed;
  }
}

/** Mustache's token: type, value, start, end, and for sections the tokens inside. */
type Token = readonly [type: string, value: string, start: number, end: number, inside?: unknown, ...rest: unknown[]];

function parse(source: TemplateSource): readonly Token[] | TemplateProblem {
  try {
    const writer = new Mustache.Writer();
    return writer.parse(source.text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const at = /^(.*) at (\d+)$/s.exec(message);
    const section = /^Unclosed section "(.*)"/s.exec(message);
    const opening =
      section === null ? -1 : source.text.search(new RegExp(`\\{\\{\\s*[#^]\\s*${escaped(section[1] ?? '')}`));
    const unclosed = message.startsWith('Unclosed tag') ? source.text.lastIndexOf('{{') : -1;
    const offset = [opening, unclosed, Number(at?.[2] ?? 0)].find((one) => one >= 0) ?? 0;
    return { source, offset, message: `malformed template: ${lowerFirst(at?.[1] ?? message)}` };
  }
}

class Rendering {
  readonly #options: RenderOptions;
  readonly #parse: (source: TemplateSource) => readonly Token[] | TemplateProblem;
  readonly #quotes: QuoteTracker;
  readonly #fragments = new Set<string>();
  #text = '';
  #steps = 0;
  #failed = false;

  constructor(options: RenderOptions, parser: (source: TemplateSource) => readonly Token[] | TemplateProblem) {
    this.#options = options;
    this.#parse = parser;
    this.#quotes = new QuoteTracker(options.target);
  }

  run(source: TemplateSource): MaybeSecret | undefined {
    this.#source(source, this.#options.scopes, 0);
    if (this.#failed) return undefined;
    return this.#fragments.size === 0 ? this.#text : new Secret(this.#text, [...this.#fragments]);
  }

  #source(source: TemplateSource, scopes: readonly unknown[], depth: number): void {
    const tokens = this.#parse(source);
    if (isProblem(tokens)) this.#fail(tokens);
    else this.#tokens(tokens, source, scopes, depth);
  }

  #tokens(tokens: readonly Token[], source: TemplateSource, scopes: readonly unknown[], depth: number): void {
    for (const token of tokens) {
      this.#steps += 1;
      if (this.#steps > MAX_STEPS || this.#text.length > MAX_LENGTH) {
        if (!this.#failed)
          this.#fail({ source, offset: token[2], message: 'the template renders to more than 10 MiB' });
        return;
      }
      this.#token(token, source, scopes, depth);
    }
  }

  #token(token: Token, source: TemplateSource, scopes: readonly unknown[], depth: number): void {
    const [type, value, offset] = token;
    if (type === 'text') this.#write(value);
    else if (type === 'name' || type === '&') this.#value(value, type === '&', { source, offset }, scopes);
    else if (type === '#' || type === '^') this.#section(token, source, scopes, depth);
    else if (type === '>') this.#partial(value, { source, offset }, scopes, depth);
  }

  #value(name: string, raw: boolean, at: Position, scopes: readonly unknown[]): void {
    const value = this.#resolve(name, at, scopes);
    if (value === undefined) return;
    if (!isPrintable(value)) {
      this.#fail({
        ...at,
        message: `"${name}" is ${Array.isArray(value) ? 'a list' : 'a map'} and cannot be written as text`,
      });
      return;
    }
    const text = value instanceof Secret ? value.reveal() : String(value);
    try {
      const quote: Quote = this.#quotes.quote();
      const written = raw ? text : escapeFor(this.#options.target, text, quote);
      if (value instanceof Secret) this.#hide(value, raw ? undefined : quote, written);
      this.#write(written);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#fail({ ...at, message: `the value of "${name}" cannot stand here: ${error.message}` });
    }
  }

  #hide(secret: Secret, quote: Quote | undefined, written: string): void {
    this.#fragments.add(written);
    for (const fragment of secret.fragments()) {
      this.#fragments.add(fragment);
      if (quote !== undefined && fragment !== secret.reveal()) {
        const inside = tryEscape(this.#options.target, fragment, quote);
        if (inside !== undefined) this.#fragments.add(inside);
      }
    }
  }

  #section(token: Token, source: TemplateSource, scopes: readonly unknown[], depth: number): void {
    const [type, name, offset, , inside] = token;
    const value = this.#resolve(name, { source, offset }, scopes);
    if (value === undefined) return;
    const tokens = inside as readonly Token[];
    const isTrue = Array.isArray(value) ? value.length > 0 : value !== false && value !== '' && value !== 0;
    if (type === '^') {
      if (!isTrue) this.#tokens(tokens, source, scopes, depth);
    } else if (Array.isArray(value)) {
      for (const item of value) this.#tokens(tokens, source, [...scopes, item], depth);
    } else if (isTrue) this.#tokens(tokens, source, [...scopes, value], depth);
  }

  #partial(name: string, at: Position, scopes: readonly unknown[], depth: number): void {
    const partial = this.#options.partial(name);
    if (depth >= MAX_PARTIALS) this.#fail({ ...at, message: `partials nested more than ${MAX_PARTIALS} deep` });
    else if (partial === undefined) this.#fail({ ...at, message: `unknown template "${name}"` });
    else this.#source(partial, scopes, depth + 1);
  }

  /** The value of a name; `undefined` when there is none, which has been told by then. */
  #resolve(name: string, at: Position, scopes: readonly unknown[]): unknown {
    const found = lookup(name, scopes);
    if (!found.found) {
      this.#fail({ ...at, message: found.message });
      return undefined;
    }
    if (found.value instanceof Pending) this.#options.pending(found.value.reason);
    else if (found.value !== BROKEN) return found.value;
    this.#failed = true;
    return undefined;
  }

  #write(text: string): void {
    this.#quotes.feed(text);
    this.#text += text;
  }

  #fail(problem: TemplateProblem): void {
    this.#failed = true;
    this.#options.problem(problem);
  }
}

interface Position {
  readonly source: TemplateSource;
  readonly offset: number;
}

function tryEscape(target: Target, text: string, quote: Quote): string | undefined {
  try {
    return escapeFor(target, text, quote);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

function isPrintable(value: unknown): value is string | number | boolean | Secret {
  return ['string', 'number', 'boolean'].includes(typeof value) || value instanceof Secret;
}

function isProblem(value: readonly Token[] | TemplateProblem): value is TemplateProblem {
  return !Array.isArray(value);
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

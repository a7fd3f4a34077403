/**
 * Escaping of one value for the text that it is put into. A value that cannot stand there safely is refused, with the
 * reason, because a broken or, worse, a differently read file on a server is never what was meant.
 */
export const TARGETS = ['nginx', 'ini', 'supervisor', 'shell', 'sql', 'yaml', 'json', 'html', 'text'] as const;
export type Target = (typeof TARGETS)[number];

/** The quote that the value stands inside of; `''` for none. */
export type Quote = '"' | "'" | '';

/** Why a value cannot be written. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

type Escape = (value: string, quote: Quote) => string;

const escapes: { readonly [T in Target]: Escape } = {
  nginx(value, quote) {
    refuse(value, /[\r\n]/, 'a line break cannot stand in an nginx file');
    refuse(value, /\$[A-Za-z0-9_{]/, 'nginx would take "$…" in it for a variable');
    if (quote !== '')
      return value.replaceAll(/[\\"']/g, (sign) => (sign === '\\' || sign === quote ? `\\${sign}` : sign));
    refuse(value, /^$/, 'an empty value needs quotes around it in an nginx file');
    refuse(value, /[\s;{}"'\\#]/, 'it has signs that end a word in nginx: put quotes around the tag');
    return value;
  },
  ini(value) {
    refuse(value, /[\r\n]/, 'a line break cannot stand in an ini file');
    return value;
  },
  supervisor(value) {
    refuse(value, /[\r\n]/, 'a line break cannot stand in a supervisor file');
    refuse(value, /\s;/, 'supervisor would take " ;" in it for a comment');
    return value.replaceAll('%', '%%');
  },
  shell(value, quote) {
    if (quote === "'") return value.replaceAll("'", String.raw`'\''`);
    if (quote === '"') return value.replaceAll(/[\\"$`]/g, String.raw`\$&`);
    return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`;
  },
  sql(value, quote) {
    if (quote !== '') return value.replaceAll(quote, quote + quote);
    refuse(
      value,
      /^(?!(?:[A-Za-z_]\w*|-?\d+(?:\.\d+)?)$)/,
      'it is not a plain SQL word or number: put quotes around the tag',
    );
    return value;
  },
  yaml(value, quote) {
    if (quote === '"') return JSON.stringify(value).slice(1, -1);
    if (quote === "'") {
      refuse(value, /[\r\n]/, 'a line break cannot stand in single quotes in YAML');
      return value.replaceAll("'", "''");
    }
    refuse(
      value,
      /^(?![\w/.][\w/.@+:=~-]*$)|:$/,
      'it has signs that mean something in YAML: put quotes around the tag',
    );
    return value;
  },
  json(value, quote) {
    if (quote === '"') return JSON.stringify(value).slice(1, -1);
    return /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?|true|false)$/.test(value) ? value : JSON.stringify(value);
  },
  html: (value) => value.replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`),
  text: (value) => value,
};

/** The value as it has to be written. Throws `Refused`. */
export function escapeFor(target: Target, value: string, quote: Quote): string {
  refuse(value, /\0/, 'a NUL character cannot stand in any file');
  return escapes[target](value, quote);
}

function refuse(value: string, pattern: RegExp, reason: string): void {
  if (pattern.test(value)) throw new Refused(reason);
}

/**
 * What a template is written for: what the kind says, or else the ending of its name before `.mustache`. Files of unknown
 * kind are plain text.
 */
export function targetOf(template: string, kind: string): Target {
  if (kind === 'nginx' || kind === 'supervisor') return kind;
  const plain = template.replace(/\.mustache$/, '');
  if (/(?:^|\/)nginx\//.test(plain)) return 'nginx';
  return ENDINGS[plain.slice(plain.lastIndexOf('.') + 1)] ?? 'text';
}

const ENDINGS: Readonly<Record<string, Target>> = {
  sh: 'shell',
  bash: 'shell',
  sql: 'sql',
  yaml: 'yaml',
  yml: 'yaml',
  json: 'json',
  ini: 'ini',
  cfg: 'ini',
  html: 'html',
  htm: 'html',
  xml: 'html',
};

interface Lexis {
  readonly quotes: string;
  readonly comment?: RegExp;
  /** Where a quote opens a word: what stands before it, without the blanks in between. Default: anywhere. */
  readonly opensAfter?: RegExp;
  /** Quotes inside which a backslash takes the next sign as it is; `none` is outside of quotes. */
  readonly backslash: readonly (Quote | 'none')[];
}

const LEXIS: { readonly [T in Target]: Lexis } = {
  nginx: { quotes: `"'`, comment: /^#/, opensAfter: /[\s;{}(]$/, backslash: ['"', "'", 'none'] },
  ini: { quotes: '', backslash: [] },
  supervisor: { quotes: '', backslash: [] },
  shell: { quotes: `"'`, comment: /^#/, backslash: ['"', 'none'] },
  sql: { quotes: `"'`, comment: /^--/, backslash: [] },
  yaml: { quotes: `"'`, comment: /^#/, opensAfter: /(?:[\n:,-]|^)[ \t]+$|[\n[{,][ \t]*$/, backslash: ['"'] },
  json: { quotes: '"', backslash: ['"'] },
  html: { quotes: '', backslash: [] },
  text: { quotes: '', backslash: [] },
};

/** Follows the text of a file and knows whether its end stands inside of quotes. */
export class QuoteTracker {
  readonly #lexis: Lexis;
  #quote: Quote = '';
  #comment = false;
  #escaped = false;
  /** The last sign that is no blank, and the blanks after it. */
  #before = '\n';

  constructor(target: Target) {
    this.#lexis = LEXIS[target];
  }

  quote(): Quote {
    return this.#quote;
  }

  feed(text: string): void {
    for (let index = 0; index < text.length; index += 1) {
      this.#step(text, index);
      const sign = text.charAt(index);
      this.#before = sign === ' ' || sign === '\t' ? this.#before.slice(0, 1) + sign : sign;
    }
  }

  #step(text: string, index: number): void {
    const sign = text.charAt(index);
    if (this.#comment) this.#comment = sign !== '\n';
    else if (this.#escaped) this.#escaped = false;
    else if (this.#takesBackslash(sign)) this.#escaped = true;
    else if (this.#quote !== '') this.#quote = sign === this.#quote ? '' : this.#quote;
    else if (this.#startsComment(text, index)) this.#comment = true;
    else if (this.#opens(sign)) this.#quote = sign as Quote;
  }

  #takesBackslash(sign: string): boolean {
    return sign === '\\' && this.#lexis.backslash.includes(this.#quote === '' ? 'none' : this.#quote);
  }

  #opens(sign: string): boolean {
    const { quotes, opensAfter } = this.#lexis;
    return quotes.includes(sign) && (opensAfter === undefined || opensAfter.test(this.#before));
  }

  #startsComment(text: string, index: number): boolean {
    const { comment } = this.#lexis;
    return comment !== undefined && /[\s;{}]$/.test(this.#before) && comment.test(text.slice(index, index + 2));
  }
}

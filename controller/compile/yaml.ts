import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import type { Issues, Place } from './issue.ts';
import type { Located, LocatedEntry, LocatedMap } from './located.ts';
import { hint, SECRET_NAME } from './names.ts';

/** Anchors may repeat a part; a file that unfolds to more than this is a bomb and not a description of a host. */
const MAX_NODES = 100_000;
const MAX_DEPTH = 64;
const UNSAFE_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** Parses one file whose root must be a map. Reports every error; `undefined` when the file cannot be used. */
export function parseYaml(file: string, text: string, issues: Issues): LocatedMap | undefined {
  const lines = new LineCounter();
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const parsed = parse(text, lines);
  if (typeof parsed === 'string') {
    issues.add({ file, line: 1, column: 1 }, parsed);
    return undefined;
  }
  const deep = parsed.errors.find((error) => error.code === 'RESOURCE_EXHAUSTION');
  for (const error of deep === undefined ? parsed.errors : [deep]) {
    issues.add(place(startOf(error, text)), syntaxMessage(error, text));
  }
  for (const warning of parsed.warnings)
    issues.add(place(warning.pos[0]), tagMessage(warning.message, text, warning.pos));
  if (parsed.errors.length > 0 || parsed.warnings.length > 0) return undefined;
  return new Converter({ text, document: parsed, place, issues }).root();
}

/** A message in place of the document when the parser itself gives up. */
function parse(text: string, lineCounter: LineCounter): Document | string {
  try {
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      uniqueKeys: true,
      customTags: [{ tag: '!secret', resolve: (name: string) => name }],
    });
  } catch (error) {
    return error instanceof RangeError ? 'nested too deeply' : `not YAML: ${String(error)}`;
  }
}

function syntaxMessage(error: { code: string; message: string; pos: readonly [number, number] }, text: string): string {
  const found = text.slice(error.pos[0], error.pos[0] + 80);
  if (error.code === 'TAB_AS_INDENT') return 'tab in the indentation: YAML takes spaces only';
  if (error.code === 'DUPLICATE_KEY') {
    return `key "${/^["']?([^"':\s]+)/.exec(found)?.[1] ?? ''}" stands twice in this map`;
  }
  if (error.code === 'MULTIPLE_DOCS') return 'a second document ("---") in the file: one file holds one document';
  if (error.code === 'RESOURCE_EXHAUSTION') return 'nested too deeply';
  if (found.startsWith('\t')) return `tab in the indentation: YAML takes spaces only (${lowerFirst(error.message)})`;
  return lowerFirst(error.message);
}

/** An error of indentation is told at the line's first word. */
function startOf(error: { code: string; pos: readonly [number, number] }, text: string): number {
  const [start] = error.pos;
  return error.code === 'BAD_INDENT' ? start + (/^ */.exec(text.slice(start))?.[0].length ?? 0) : start;
}

function tagMessage(message: string, text: string, [start, end]: readonly [number, number]): string {
  const tag = text.slice(start, end);
  return tag.startsWith('!') ? `unknown tag "${tag}": the only one is !secret NAME` : lowerFirst(message);
}

interface Source {
  readonly text: string;
  readonly document: Document;
  readonly place: (offset: number) => Place;
  readonly issues: Issues;
}

class Converter {
  readonly #source: Source;
  #nodes = 0;
  #broken = false;
  /** Anchored nodes that are being unfolded: an alias inside its own anchor has no end. */
  readonly #open = new Set<Node>();

  constructor(source: Source) {
    this.#source = source;
  }

  root(): LocatedMap | undefined {
    const { document, place } = this.#source;
    const contents = document.contents;
    if (contents === null || (isScalar(contents) && contents.value === null)) {
      return { type: 'map', entries: new Map(), place: place(0) };
    }
    const root = this.#convert(contents, 0);
    if (this.#broken) return undefined;
    if (root.type === 'map') return root;
    this.#fail(root.place, 'expected a map of sections');
    return undefined;
  }

  #convert(node: Node, depth: number): Located {
    const at = this.#source.place(node.range?.[0] ?? 0);
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES || depth > MAX_DEPTH) {
      const what =
        depth > MAX_DEPTH ? `nested more than ${MAX_DEPTH} deep` : `unfolds to more than ${MAX_NODES} values`;
      if (!this.#broken) this.#fail(at, what);
      return nothing(at);
    }
    if (isAlias(node)) return this.#unfold(node, at, depth);
    if (isScalar(node)) return this.#scalar(node, at);
    this.#open.add(node);
    const located = isMap(node)
      ? this.#map(node, at, depth)
      : isSeq(node)
        ? this.#list(node.items, at, depth)
        : this.#fail(at, 'expected a map, a list or a value');
    this.#open.delete(node);
    return located;
  }

  #list(items: readonly unknown[], place: Place, depth: number): Located {
    const located = items.map((item) =>
      isPair(item) || item === null ? nothing(place) : this.#convert(item as Node, depth + 1),
    );
    return { type: 'list', items: located, place };
  }

  #map(node: YAMLMap, place: Place, depth: number): Located {
    const entries = new Map<string, LocatedEntry>();
    for (const pair of node.items) {
      const key = pair.key;
      if (!isScalar(key) || (typeof key.value !== 'string' && typeof key.value !== 'number')) {
        this.#fail(place, complexKeyMessage(this.#source.text, node));
        continue;
      }
      const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
      const keyPlace = this.#source.place(key.range?.[0] ?? 0);
      if (name === '<<' && key.type === 'PLAIN') {
        this.#fail(keyPlace, 'merge keys ("<<") are not supported: put what several hosts share into a role');
      } else if (UNSAFE_KEYS.has(name)) {
        this.#fail(keyPlace, `"${name}" cannot be a key`);
      } else {
        const value = pair.value === null ? nothing(keyPlace) : this.#convert(pair.value as Node, depth + 1);
        entries.set(name, { keyPlace, value });
      }
    }
    return { type: 'map', entries, place };
  }

  #scalar(node: Scalar, place: Place): Located {
    const { value } = node;
    if (node.tag === '!secret') return this.#secret(String(value), place);
    if (typeof value === 'number') return this.#number(node, value, place);
    if (typeof value === 'boolean' || value === null) return { type: 'scalar', value, place };
    if (typeof value !== 'string') return this.#fail(place, 'expected a map, a list or a value');
    if (!value.includes('{{')) return { type: 'scalar', value, place };
    return { type: 'scalar', value, place, tagPlace: (nth) => this.#tagPlace(node, place, nth) };
  }

  #number(node: Scalar, value: number, place: Place): Located {
    const written = node.source ?? '';
    if (/^[-+]?0\d+$/.test(written)) {
      return this.#fail(
        place,
        `${written} would be read as the number ${value}: write "${written}" in quotes, or 0o${written.replace(/^[-+]?0+/, '') || '0'} for octal`,
      );
    }
    if (!Number.isFinite(value)) return this.#fail(place, `${written} is not a number that can be used here`);
    return { type: 'scalar', value, place, ...(node.format === 'OCT' ? {} : { decimal: true as const }) };
  }

  #secret(name: string, place: Place): Located {
    if (!SECRET_NAME.test(name)) return this.#fail(place, 'expected !secret NAME (letters, digits, "_", "-" and ".")');
    return { type: 'secret', name, place };
  }

  #unfold(alias: Alias, place: Place, depth: number): Located {
    const target = alias.resolve(this.#source.document);
    if (target === undefined) return this.#fail(place, `unknown alias "*${alias.source}"${hint(alias.source, [])}`);
    if (this.#open.has(target)) return this.#fail(place, `alias "*${alias.source}" stands inside its own anchor`);
    return this.#convert(target, depth + 1);
  }

  /** The n-th `{{` of the value is the n-th of its source text, in every style that YAML writes text in. */
  #tagPlace(node: Scalar, place: Place, nth: number): Place {
    const [start, end] = node.range ?? [0, 0];
    let offset = start - 1;
    for (let count = 0; count <= nth; count += 1) {
      offset = this.#source.text.indexOf('{{', offset + (count === 0 ? 1 : 2));
      if (offset === -1 || offset >= end) return place;
    }
    return this.#source.place(offset);
  }

  #fail(place: Place, message: string): Located {
    this.#broken = true;
    this.#source.issues.add(place, message);
    return nothing(place);
  }
}

function complexKeyMessage(text: string, node: YAMLMap): string {
  const start = node.range?.[0] ?? 0;
  return text.startsWith('{{', start)
    ? 'a value that starts with {{ needs quotes: "{{…}}"'
    : 'expected a key that is text or a number';
}

function nothing(place: Place): Located {
  return { type: 'scalar', value: null, place };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

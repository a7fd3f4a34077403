/** The part of XML-RPC that supervisord speaks. Pure. Source: http://xmlrpc.com/spec.md and Python's `xmlrpc.client`. */

export type XmlRpcValue =
  | string
  | number
  | boolean
  | null
  | readonly XmlRpcValue[]
  | { readonly [key: string]: XmlRpcValue };

/** The server understood the call and refused it. Codes: `supervisor/xmlrpc.py`, class `Faults`. */
export class XmlRpcFault extends Error {
  override readonly name = 'XmlRpcFault';
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

export function encodeCall(method: string, parameters: readonly (string | number | boolean)[]): string {
  const encoded = parameters.map((value) => `<param><value>${encodeValue(value)}</value></param>`).join('');
  return `<?xml version="1.0"?><methodCall><methodName>${escape(method)}</methodName><params>${encoded}</params></methodCall>`;
}

function encodeValue(value: string | number | boolean): string {
  if (typeof value === 'string') return `<string>${escape(value)}</string>`;
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`;
  return `<int>${value}</int>`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The value of a method response. Throws `XmlRpcFault` for a fault and `Error` for what is no XML-RPC. */
export function decodeResponse(xml: string): XmlRpcValue {
  const tokens = new Tokens(xml);
  tokens.open('methodResponse');
  if (tokens.tryOpen('fault')) {
    const fault = readValue(tokens);
    throw new XmlRpcFault(Number(field(fault, 'faultCode')), textField(fault, 'faultString'));
  }
  tokens.open('params');
  tokens.open('param');
  return readValue(tokens);
}

/** A member of a struct; `null` where it is no struct or has no such member. */
export function field(value: XmlRpcValue, name: string): XmlRpcValue {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  return (value as { readonly [key: string]: XmlRpcValue })[name] ?? null;
}

/** A member that is text; empty where there is none. */
export function textField(value: XmlRpcValue, name: string): string {
  const member = field(value, name);
  return typeof member === 'string' ? member : '';
}

function readValue(tokens: Tokens): XmlRpcValue {
  tokens.open('value');
  const text = tokens.text();
  if (tokens.tryClose('value')) return text;
  const type = tokens.openAny();
  const value = readTyped(tokens, type);
  tokens.close('value');
  return value;
}

function readTyped(tokens: Tokens, type: string): XmlRpcValue {
  if (type === 'struct') return readStruct(tokens);
  if (type === 'array') return readArray(tokens);
  if (type === 'nil/') return null;
  const text = tokens.text();
  tokens.close(type);
  if (type === 'boolean') return text.trim() === '1';
  if (type === 'int' || type === 'i4' || type === 'i8' || type === 'double') return Number(text);
  return text;
}

function readStruct(tokens: Tokens): XmlRpcValue {
  const members: Record<string, XmlRpcValue> = {};
  while (tokens.tryOpen('member')) {
    tokens.open('name');
    const name = tokens.text();
    tokens.close('name');
    members[name] = readValue(tokens);
    tokens.close('member');
  }
  tokens.close('struct');
  return members;
}

function readArray(tokens: Tokens): XmlRpcValue {
  const items: XmlRpcValue[] = [];
  if (!tokens.tryOpen('data/')) {
    tokens.open('data');
    while (!tokens.tryClose('data')) items.push(readValue(tokens));
  }
  tokens.close('array');
  return items;
}

/** A cursor over tags and the text between them; white space between two tags is skipped where a tag is expected. */
class Tokens {
  readonly #xml: string;
  #at = 0;

  constructor(xml: string) {
    this.#xml = xml;
    const declaration = /^\s*<\?xml[^>]*\?>/.exec(xml);
    if (declaration !== null) this.#at = declaration[0].length;
  }

  open(tag: string): void {
    if (!this.tryOpen(tag)) throw this.#unexpected(`<${tag}>`);
  }

  close(tag: string): void {
    if (!this.tryClose(tag)) throw this.#unexpected(`</${tag}>`);
  }

  tryOpen(tag: string): boolean {
    return this.#take(`<${tag}>`);
  }

  tryClose(tag: string): boolean {
    return this.#take(`</${tag}>`);
  }

  openAny(): string {
    const match = /^\s*<([a-z0-9]+\/?)>/.exec(this.#xml.slice(this.#at, this.#at + 40));
    if (match === null) throw this.#unexpected('a value');
    this.#at += match[0].length;
    return match[1] ?? '';
  }

  text(): string {
    const end = this.#xml.indexOf('<', this.#at);
    if (end < 0) throw this.#unexpected('a tag');
    const raw = this.#xml.slice(this.#at, end);
    this.#at = end;
    return unescape(raw);
  }

  #take(tag: string): boolean {
    let at = this.#at;
    while (/\s/.test(this.#xml.charAt(at))) at += 1;
    if (!this.#xml.startsWith(tag, at)) return false;
    this.#at = at + tag.length;
    return true;
  }

  #unexpected(wanted: string): Error {
    return new Error(`no XML-RPC answer: expected ${wanted} at "${this.#xml.slice(this.#at, this.#at + 60)}"`);
  }
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([0-9a-fA-F]+)|([a-z]+));/g, (whole, decimal, hex, name) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(String(hex), 16));
    return ENTITIES[String(name)] ?? whole;
  });
}

/**
 * The wire format of D-Bus (the "Marshaling" chapter of its specification): values to bytes and back, by signature.
 * 64-bit numbers are plain numbers here: the largest that we read, microseconds since the epoch, stay exact until 2255.
 */
export type DBusValue = string | number | boolean | readonly DBusValue[] | Variant;

export interface Variant {
  readonly signature: string;
  readonly value: DBusValue;
}

export function textOrEmpty(value: DBusValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

export function numberOr0(value: DBusValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}

/** Bytes that are not D-Bus, or a value that does not fit its signature. */
export class MarshalError extends Error {
  override readonly name = 'MarshalError';
}

/** Types by the number of bytes to which they are aligned. */
const BYTES_OF_TYPES: readonly (readonly [number, string])[] = [
  [1, 'ygv'],
  [2, 'nq'],
  [4, 'biuhsoa'],
  [8, 'xtd({'],
];
const ALIGNMENT = new Map(
  BYTES_OF_TYPES.flatMap(([bytes, types]) => types.split('').map((type) => [type, bytes] as const)),
);

/** The specification's own bounds. */
const MAX_ARRAY_BYTES = 64 * 1024 * 1024;
const MAX_DEPTH = 64;

/** Splits a signature into its complete types: `sa{sv}(uo)` → `s`, `a{sv}`, `(uo)`. */
export function splitSignature(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const end = endOfType(signature, at, 0);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function endOfType(signature: string, at: number, depth: number): number {
  if (depth > MAX_DEPTH) throw new MarshalError(`signature nests too deep: ${signature}`);
  const code = signature[at] ?? '';
  if (code === 'a') return endOfType(signature, at + 1, depth + 1);
  const close = code === '(' ? ')' : code === '{' ? '}' : undefined;
  if (close === undefined) {
    if (!ALIGNMENT.has(code)) throw new MarshalError(`unknown type "${code}" in signature "${signature}"`);
    return at + 1;
  }
  let next = at + 1;
  while (next < signature.length && signature[next] !== close) next = endOfType(signature, next, depth + 1);
  if (next >= signature.length) throw new MarshalError(`signature ends too early: ${signature}`);
  return next + 1;
}

function alignmentOf(type: string): number {
  const alignment = ALIGNMENT.get(type[0] ?? '');
  if (alignment === undefined) throw new MarshalError(`unknown type "${type}"`);
  return alignment;
}

/** Little-endian bytes of `values`, one for each complete type of `signature`, aligned as at the start of a message. */
export function marshal(signature: string, values: readonly DBusValue[]): Buffer {
  const types = splitSignature(signature);
  if (types.length !== values.length) {
    throw new MarshalError(`signature "${signature}" needs ${types.length} values, got ${values.length}`);
  }
  const writer = new Writer();
  types.forEach((type, index) => writer.write(type, values[index] as DBusValue));
  return writer.bytes();
}

class Writer {
  #buffer = Buffer.alloc(256);
  #length = 0;

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  write(type: string, value: DBusValue): void {
    this.#align(alignmentOf(type));
    if (type === 's' || type === 'o') this.#text(expectText(type, value), 4);
    else if (type === 'g') this.#text(expectText(type, value), 1);
    else if (type === 'v') this.#variant(value);
    else if (type[0] === 'a') this.#array(type.slice(1), expectList(type, value));
    else if (type[0] === '(' || type[0] === '{') this.#struct(type, expectList(type, value));
    else this.#number(type, value);
  }

  #number(type: string, value: DBusValue): void {
    const number = type === 'b' && typeof value === 'boolean' ? Number(value) : value;
    if (typeof number !== 'number') throw new MarshalError(`type "${type}" needs a number, got ${typeof value}`);
    const at = this.#grow(alignmentOf(type));
    try {
      if (type === 'y') this.#buffer.writeUInt8(number, at);
      else if (type === 'n') this.#buffer.writeInt16LE(number, at);
      else if (type === 'q') this.#buffer.writeUInt16LE(number, at);
      else if (type === 'i') this.#buffer.writeInt32LE(number, at);
      else if (type === 'x') this.#buffer.writeBigInt64LE(BigInt(number), at);
      else if (type === 't') this.#buffer.writeBigUInt64LE(BigInt(number), at);
      else if (type === 'd') this.#buffer.writeDoubleLE(number, at);
      else this.#buffer.writeUInt32LE(number, at);
    } catch (error) {
      throw new MarshalError(`${number} does not fit type "${type}"`, { cause: error });
    }
  }

  #text(text: string, lengthBytes: 1 | 4): void {
    if (text.includes('\0')) throw new MarshalError('text with a NUL byte cannot be sent over D-Bus');
    const size = Buffer.byteLength(text);
    this.#number(lengthBytes === 4 ? 'u' : 'y', size);
    const at = this.#grow(size + 1);
    this.#buffer.write(text, at);
    this.#buffer[at + size] = 0;
  }

  #variant(value: DBusValue): void {
    if (typeof value !== 'object' || !('signature' in value)) throw new MarshalError('type "v" needs a variant');
    this.#text(value.signature, 1);
    this.write(value.signature, value.value);
  }

  #array(element: string, items: readonly DBusValue[]): void {
    const lengthAt = this.#grow(4);
    this.#align(alignmentOf(element));
    const start = this.#length;
    for (const item of items) this.write(element, item);
    this.#buffer.writeUInt32LE(this.#length - start, lengthAt);
  }

  #struct(type: string, items: readonly DBusValue[]): void {
    const types = splitSignature(type.slice(1, -1));
    if (types.length !== items.length) throw new MarshalError(`type "${type}" needs ${types.length} values`);
    types.forEach((inner, index) => this.write(inner, items[index] as DBusValue));
  }

  #align(alignment: number): void {
    const start = this.#length;
    const padding = (alignment - (start % alignment)) % alignment;
    this.#grow(padding);
    this.#buffer.fill(0, start, start + padding);
  }

  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#buffer.length) {
      this.#buffer = Buffer.concat([this.#buffer], Math.max(this.#length, this.#buffer.length * 2));
    }
    return at;
  }
}

function expectText(type: string, value: DBusValue): string {
  if (typeof value !== 'string') throw new MarshalError(`type "${type}" needs text, got ${typeof value}`);
  return value;
}

function expectList(type: string, value: DBusValue): readonly DBusValue[] {
  if (!Array.isArray(value)) throw new MarshalError(`type "${type}" needs a list, got ${typeof value}`);
  return value;
}

/** The values in `bytes`, which start where a message starts or at a multiple of eight from there. Variants are unwrapped. */
export function unmarshal(signature: string, bytes: Buffer, endian: 'little' | 'big' = 'little'): DBusValue[] {
  return new Reader(bytes, endian === 'little').readAll(signature);
}

/** Of a dictionary of variants (`a{sv}`), the entries of some keys. */
export function unmarshalEntries(
  wanted: ReadonlySet<string>,
  bytes: Buffer,
  endian: 'little' | 'big' = 'little',
): Map<string, DBusValue> {
  return new Reader(bytes, endian === 'little').readEntries(wanted);
}

class Reader {
  readonly #view: DataView;
  readonly #bytes: Buffer;
  readonly #little: boolean;
  #at = 0;

  constructor(bytes: Buffer, little: boolean) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = little;
  }

  readAll(signature: string): DBusValue[] {
    try {
      return splitSignature(signature).map((type) => this.#read(type, 0));
    } catch (error) {
      if (error instanceof RangeError) throw new MarshalError('a D-Bus message ends too early', { cause: error });
      throw error;
    }
  }

  #read(type: string, depth: number): DBusValue {
    if (depth > MAX_DEPTH) throw new MarshalError('a D-Bus value nests too deep');
    this.#align(alignmentOf(type));
    switch (type.charAt(0)) {
      case 's':
      case 'o':
        return this.#text(this.#view.getUint32(this.#skip(4), this.#little));
      case 'g':
        return this.#text(this.#view.getUint8(this.#skip(1)));
      case 'v':
        return this.#variant(depth);
      case 'a':
        return this.#array(type.slice(1), depth);
      case '(':
      case '{':
        return splitSignature(type.slice(1, -1)).map((inner) => this.#read(inner, depth + 1));
      default:
        return this.#number(type);
    }
  }

  /** The values of some keys of a dictionary `a{sv}`; all others are passed over, which costs a tenth of reading them. */
  readEntries(wanted: ReadonlySet<string>): Map<string, DBusValue> {
    try {
      const size = this.#view.getUint32(this.#skip(4), this.#little);
      this.#align(8);
      const end = this.#at + size;
      const found = new Map<string, DBusValue>();
      while (this.#at < end) {
        this.#align(8);
        const key = this.#text(this.#view.getUint32(this.#skip(4), this.#little));
        if (wanted.has(key)) found.set(key, this.#variant(1));
        else this.#pass('v', 1);
      }
      if (this.#at !== end || end > this.#bytes.length) {
        throw new MarshalError('a D-Bus dictionary does not end where it says');
      }
      return found;
    } catch (error) {
      if (error instanceof RangeError) throw new MarshalError('a D-Bus message ends too early', { cause: error });
      throw error;
    }
  }

  #pass(type: string, depth: number): void {
    if (depth > MAX_DEPTH) throw new MarshalError('a D-Bus value nests too deep');
    const alignment = alignmentOf(type);
    this.#align(alignment);
    switch (type.charAt(0)) {
      case 's':
      case 'o':
        this.#at += this.#view.getUint32(this.#at, this.#little) + 5;
        return;
      case 'g':
        this.#at += this.#view.getUint8(this.#at) + 2;
        return;
      case 'v':
        return this.#pass(this.#text(this.#view.getUint8(this.#skip(1))), depth + 1);
      case 'a': {
        const size = this.#view.getUint32(this.#skip(4), this.#little);
        this.#align(alignmentOf(type.slice(1)));
        this.#at += size;
        return;
      }
      case '(':
      case '{':
        for (const inner of splitSignature(type.slice(1, -1))) this.#pass(inner, depth + 1);
        return;
      default:
        this.#at += alignment;
    }
  }

  #align(alignment: number): void {
    this.#at = Math.ceil(this.#at / alignment) * alignment;
  }

  #number(type: string): number | boolean {
    const at = this.#skip(alignmentOf(type));
    if (type === 'b') return this.#view.getUint32(at, this.#little) !== 0;
    if (type === 'y') return this.#view.getUint8(at);
    if (type === 'n') return this.#view.getInt16(at, this.#little);
    if (type === 'q') return this.#view.getUint16(at, this.#little);
    if (type === 'i') return this.#view.getInt32(at, this.#little);
    if (type === 'x') return Number(this.#view.getBigInt64(at, this.#little));
    if (type === 't') return Number(this.#view.getBigUint64(at, this.#little));
    if (type === 'd') return this.#view.getFloat64(at, this.#little);
    return this.#view.getUint32(at, this.#little);
  }

  #text(size: number): string {
    const at = this.#skip(size + 1);
    if (at + size + 1 > this.#bytes.length) throw new MarshalError('a D-Bus message ends too early');
    return this.#bytes.toString('utf8', at, at + size);
  }

  #variant(depth: number): DBusValue {
    const types = splitSignature(this.#text(this.#view.getUint8(this.#skip(1))));
    const [type] = types;
    if (type === undefined || types.length !== 1) throw new MarshalError('a variant holds exactly one type');
    return this.#read(type, depth + 1);
  }

  #array(element: string, depth: number): DBusValue[] {
    const size = this.#view.getUint32(this.#skip(4), this.#little);
    if (size > MAX_ARRAY_BYTES) throw new MarshalError(`a D-Bus array of ${size} bytes is over the bound`);
    this.#align(alignmentOf(element));
    const end = this.#at + size;
    const items: DBusValue[] = [];
    while (this.#at < end) items.push(this.#read(element, depth + 1));
    if (this.#at !== end) throw new MarshalError('a D-Bus array does not end where it says');
    return items;
  }

  #skip(count: number): number {
    const at = this.#at;
    this.#at += count;
    return at;
  }
}

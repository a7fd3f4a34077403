import { type DBusValue, MarshalError, marshal, unmarshal, unmarshalEntries } from './marshal.ts';

/** One D-Bus message: its header fields that we use, and its body. */
export interface Message {
  readonly type: MessageType;
  readonly serial: number;
  readonly replySerial?: number;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  readonly signature: string;
  /** Decoded on demand, because most signals are thrown away unread. */
  readonly body: () => DBusValue[];
  /** Where the body is one dictionary `a{sv}`: the entries of these keys. */
  readonly entries: (wanted: ReadonlySet<string>) => ReadonlyMap<string, DBusValue>;
}

export type MessageType = 'call' | 'return' | 'error' | 'signal';

export interface Call {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly DBusValue[];
}

const TYPES: readonly (MessageType | undefined)[] = [undefined, 'call', 'return', 'error', 'signal'];
const FIXED_HEADER_BYTES = 16;
/** systemd's answers stay under 100 KiB; the protocol itself allows 128 MiB. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

export function encodeCall(serial: number, call: Call): Buffer {
  const signature = call.signature ?? '';
  const body = marshal(signature, call.body ?? []);
  const fields: DBusValue[] = [
    [1, { signature: 'o', value: call.path }],
    [2, { signature: 's', value: call.interface }],
    [3, { signature: 's', value: call.member }],
    [6, { signature: 's', value: call.destination }],
  ];
  if (signature !== '') fields.push([8, { signature: 'g', value: signature }]);
  const header = marshal('yyyyuua(yv)', [0x6c, 1, 0, 1, body.length, serial, fields]);
  return Buffer.concat([header, Buffer.alloc(padTo8(header.length) - header.length), body]);
}

const SERIAL_AT = 8;

/** The bytes of a call that was encoded before, with another serial. */
export function withSerial(encoded: Buffer, serial: number): Buffer {
  const bytes = Buffer.from(encoded);
  bytes.writeUInt32LE(serial, SERIAL_AT);
  return bytes;
}

/** Bytes of the message at the start of `bytes`; `undefined` while too few have come to know. */
export function messageSize(bytes: Buffer): number | undefined {
  if (bytes.length < FIXED_HEADER_BYTES) return undefined;
  const little = endianOf(bytes) === 'little';
  const bodySize = little ? bytes.readUInt32LE(4) : bytes.readUInt32BE(4);
  const fieldsSize = little ? bytes.readUInt32LE(12) : bytes.readUInt32BE(12);
  const size = padTo8(FIXED_HEADER_BYTES + fieldsSize) + bodySize;
  if (size > MAX_MESSAGE_BYTES) throw new MarshalError(`a D-Bus message of ${size} bytes is over the bound`);
  return size;
}

export function decodeMessage(bytes: Buffer): Message {
  const endian = endianOf(bytes);
  const [, typeCode, , , bodySize, serial, fields] = unmarshal('yyyyuua(yv)', bytes, endian);
  const type = TYPES[Number(typeCode)];
  if (type === undefined || !Array.isArray(fields)) throw new MarshalError('unknown D-Bus message type');
  const byCode = new Map(fields.map((field) => (Array.isArray(field) ? [field[0], field[1]] : [undefined, undefined])));
  const signature = textOf(byCode.get(8)) ?? '';
  const body = bytes.subarray(bytes.length - Number(bodySize));
  const replySerial = byCode.get(5);
  return {
    type,
    serial: Number(serial),
    signature,
    ...(typeof replySerial === 'number' ? { replySerial } : {}),
    ...optional('path', textOf(byCode.get(1))),
    ...optional('interface', textOf(byCode.get(2))),
    ...optional('member', textOf(byCode.get(3))),
    ...optional('errorName', textOf(byCode.get(4))),
    body: () => unmarshal(signature, body, endian),
    entries: (wanted) => {
      if (signature !== 'a{sv}') throw new MarshalError(`expected a dictionary of properties, got "${signature}"`);
      return unmarshalEntries(wanted, body, endian);
    },
  };
}

function endianOf(bytes: Buffer): 'little' | 'big' {
  if (bytes[0] === 0x6c) return 'little';
  if (bytes[0] === 0x42) return 'big';
  throw new MarshalError(`not a D-Bus message: it starts with byte ${bytes[0]}`);
}

function padTo8(size: number): number {
  return Math.ceil(size / 8) * 8;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: string });
}

import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';

/** Passwords as PostgreSQL stores them (RFC 5803 for SCRAM): computed here, so that no clear password reaches a server or its log. */

const ITERATIONS = 4096;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const SCRAM = /^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/;
const MD5 = /^md5[0-9a-f]{32}$/;

/** A password that stands already as the server would store it. */
export function isVerifier(password: string): boolean {
  return SCRAM.test(password) || MD5.test(password);
}

export function scramVerifier(
  password: string,
  salt: Buffer = randomBytes(SALT_BYTES),
  iterations = ITERATIONS,
): string {
  const { stored, server } = scramKeys(password, salt, iterations);
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored.toString('base64')}:${server.toString('base64')}`;
}

/** `stored` is what `pg_authid.rolpassword` holds. A clear password only matches SCRAM: md5 is to be replaced. */
export function storedMatches(stored: string, wanted: string): boolean {
  if (isVerifier(wanted)) return stored === wanted;
  const match = SCRAM.exec(stored);
  if (match === null) return false;
  const [, iterations, salt, storedKey, serverKey] = match;
  if (salt === undefined || storedKey === undefined || serverKey === undefined) return false;
  const keys = scramKeys(wanted, Buffer.from(salt, 'base64'), Number(iterations));
  return same(keys.stored, storedKey) && same(keys.server, serverKey);
}

function scramKeys(password: string, salt: Buffer, iterations: number): { stored: Buffer; server: Buffer } {
  const salted = pbkdf2Sync(prepare(password), salt, iterations, KEY_BYTES, 'sha256');
  const client = createHmac('sha256', salted).update('Client Key').digest();
  return {
    stored: createHash('sha256').update(client).digest(),
    server: createHmac('sha256', salted).update('Server Key').digest(),
  };
}

function same(key: Buffer, base64: string): boolean {
  const other = Buffer.from(base64, 'base64');
  return key.length === other.length && timingSafeEqual(key, other);
}

const OTHER_SPACES = /[\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000]/gu;
const MAPPED_TO_NOTHING = /\u00AD|\u034F|\u1806|[\u180B-\u180D]|\u200C|\u200D|\u2060|[\uFE00-\uFE0F]|\uFEFF/gu;
// oxlint-disable-next-line no-control-regex -- RFC 4013 prohibits exactly these
const PROHIBITED = /[\u0000-\u001F\u007F-\u009F\uE000-\uF8FF\uFFF9-\uFFFD]/u;

/** SASLprep as far as PostgreSQL goes: what it may not contain makes the server take the password as it is. */
function prepare(password: string): string {
  // oxlint-disable-next-line no-control-regex -- ASCII is left alone by the server
  if (/^[\u0000-\u007F]*$/.test(password)) return password;
  const mapped = password.replace(OTHER_SPACES, ' ').replace(MAPPED_TO_NOTHING, '').normalize('NFKC');
  return mapped === '' || PROHIBITED.test(mapped) ? password : mapped;
}

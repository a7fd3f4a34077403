import { createPublicKey, type KeyObject, sign } from 'node:crypto';

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  attributes: 0xa0,
} as const;
/** `commonName` and `ecdsa-with-SHA256`, as DER writes object identifiers. */
const COMMON_NAME = Buffer.from('550403', 'hex');
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');
const MAX_COMMON_NAME = 64;

/**
 * A request to have a key on P-256 signed: PKCS #10 (RFC 2986), PEM. Written here in forty lines because the alternatives
 * are a library of some megabytes, or a program that a small VM need not have. The name is for people: the controller
 * signs the key for the host that the join token or the old certificate stands for.
 */
export function certificateRequest(host: string, key: KeyObject): string {
  const subject = der(
    TAG.sequence,
    der(
      TAG.set,
      der(TAG.sequence, der(TAG.oid, COMMON_NAME), der(TAG.utf8, Buffer.from(host.slice(0, MAX_COMMON_NAME)))),
    ),
  );
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const version = der(TAG.integer, Buffer.from([0]));
  const info = der(TAG.sequence, version, subject, publicKey, der(TAG.attributes));
  const signature = sign('sha256', info, key);
  const request = der(
    TAG.sequence,
    info,
    der(TAG.sequence, der(TAG.oid, ECDSA_WITH_SHA256)),
    der(TAG.bitString, Buffer.from([0]), signature),
  );
  const lines = request.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join('\n')}\n-----END CERTIFICATE REQUEST-----\n`;
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  return length < 0x100 ? Buffer.from([0x81, length]) : Buffer.from([0x82, length >> 8, length & 0xff]);
}

import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { gzipSync, inflateRawSync } from 'node:zlib';
import { PACKING, pack, UNPACKED, unpack } from '../packing.ts';

/** The form of what is sealed: version, nonce, tag, and the text, compressed by gzip and encrypted. */
const VERSION = 2;
/** The same, compressed by deflate without gzip's frame. */
const UNFRAMED_VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

/**
 * Seals what the database keeps of secrets: AES-256-GCM with a key that is derived from the controller's master key and
 * never stored. Every text is sealed for a place (such as `manifest web-1`), and opens in no other: whoever can
 * write to the database cannot give one host the manifest of another.
 */
export class Sealer {
  readonly #key: KeyObject;
  /** Stands for the key without telling anything of it. */
  readonly check: string;

  /** `masterKey`: 32 bytes. */
  constructor(masterKey: Uint8Array) {
    this.#key = createSecretKey(derive(masterKey, 'holdfast seal 1'));
    this.check = Buffer.from(derive(masterKey, 'holdfast check 1')).toString('hex').slice(0, 32);
  }

  seal(text: string, place: string): Uint8Array {
    return this.sealPacked(pack(text), place);
  }

  /** A text that was packed already, by `pack`. */
  sealPacked(packed: Uint8Array, place: string): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(place));
    const body = Buffer.concat([cipher.update(packed), cipher.final()]);
    return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), body]);
  }

  /** Throws when it was sealed with another key or for another place, or was damaged; the message says so. */
  open(sealed: Uint8Array, place: string): string {
    return unpack(this.openPacked(sealed, place));
  }

  /** The text as it was packed, by gzip: what goes over the wire need not be unpacked here. Throws as `open` does. */
  openPacked(sealed: Uint8Array, place: string): Buffer {
    const [version] = sealed;
    if ((version !== VERSION && version !== UNFRAMED_VERSION) || sealed.length < HEADER_BYTES) {
      throw new Error(`${place}: unknown form of sealed text`);
    }
    const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(place));
    decipher.setAuthTag(sealed.subarray(1 + NONCE_BYTES, HEADER_BYTES));
    let packed: Buffer;
    try {
      packed = Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()]);
    } catch {
      throw new Error(`${place}: damaged, or sealed with another master key`);
    }
    return version === VERSION ? packed : gzipSync(inflateRawSync(packed, UNPACKED), PACKING);
  }
}

/** Keys for other purposes (such as the identity that secrets are encrypted to) come from the same master key. */
export function derive(masterKey: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', masterKey, '', purpose, 32));
}

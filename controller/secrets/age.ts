import { contentProblem } from '../compile/sealed.ts';

/** Encrypted files as the program `age` makes and reads them. The library is loaded when it is first needed. */

/** Why a file does not open; the message never quotes what is in it. */
export class AgeError extends Error {
  override readonly name = 'AgeError';
  readonly reason: 'other key' | 'passphrase' | 'damaged';

  constructor(reason: AgeError['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Armored, so that it survives every editor and shows as text in git. */
export async function encrypt(text: string, recipients: readonly string[]): Promise<string> {
  const { Encrypter, armor } = await import('age-encryption');
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return armor.encode(await encrypter.encrypt(text));
}

/** The text of an armored or binary file. Throws `AgeError`. */
export async function decrypt(content: Buffer, identities: readonly string[]): Promise<string> {
  const problem = contentProblem(content);
  if (problem !== undefined) throw new AgeError('damaged', problem);
  const { Decrypter, armor } = await import('age-encryption');
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  let plain: Uint8Array;
  try {
    const isArmored = content.subarray(0, 64).toString('latin1').trimStart().startsWith('-----BEGIN');
    const raw = isArmored ? armor.decode(content.toString('latin1')) : Uint8Array.from(content);
    if (/^-> scrypt /m.test(Buffer.from(raw.subarray(0, 200)).toString('latin1'))) {
      throw new AgeError('passphrase', 'encrypted with a passphrase, not to a key');
    }
    plain = await decrypter.decrypt(raw);
  } catch (error) {
    if (error instanceof AgeError) throw error;
    if (/no identity matched/.test(String(error))) throw new AgeError('other key', 'not encrypted to this key');
    throw new AgeError('damaged', 'the file is damaged');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(plain);
  } catch {
    throw new AgeError('damaged', 'what is encrypted in it is not UTF-8 text');
  }
}

/** How many recipients a file has been encrypted to; `undefined` where it is damaged. Needs no key. */
export async function countRecipients(content: Buffer): Promise<number | undefined> {
  const { armor } = await import('age-encryption');
  try {
    const text = content.toString('latin1');
    const raw = text.trimStart().startsWith('-----BEGIN') ? armor.decode(text) : content;
    const [header = ''] = Buffer.from(raw).toString('latin1').split('\n--- ');
    // age adds a stanza that means nothing, "-> …-grease", so that nobody relies on there being none.
    return header.split('\n').filter((line) => line.startsWith('-> ') && !/^-> \S*-grease( |$)/.test(line)).length;
  } catch {
    return undefined;
  }
}

/** Whether something can be encrypted to it; the short check of the compiler sees no checksum. */
export async function isRecipient(text: string): Promise<boolean> {
  const { Encrypter } = await import('age-encryption');
  try {
    new Encrypter().addRecipient(text);
    return true;
  } catch {
    return false;
  }
}

/** `AGE-SECRET-KEY-1…` */
export async function newIdentity(): Promise<string> {
  const { generateX25519Identity } = await import('age-encryption');
  return generateX25519Identity();
}

/** The recipient `age1…` that belongs to an identity. Throws where it is none. */
export async function recipientOf(identity: string): Promise<string> {
  const { identityToRecipient } = await import('age-encryption');
  return identityToRecipient(identity);
}

/**
 * The text that a secret stands for: the line end of a single line, which `echo` and editors add, does not belong to it.
 * A text of several lines, such as a key in PEM, stays as it is.
 */
export function secretText(plain: string): string {
  return /^[^\r\n]*\r?\n$/.test(plain) ? plain.replace(/\r?\n$/, '') : plain;
}

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** 256 bits, which nobody guesses: what is kept of it may be one plain SHA-256. */
const SECRET_BYTES = 32;
const ID_BYTES = 6;

export interface NewSecret {
  /** Names the token in lists and logs; tells nothing of the secret. */
  readonly id: string;
  readonly secret: string;
  readonly hash: string;
}

export function newSecret(): NewSecret {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { id: randomBytes(ID_BYTES).toString('hex'), secret, hash: hashOf(secret) };
}

export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Whether `secret` is the one of `hash`; the time that it takes tells nothing. */
export function isSecretOf(hash: string, secret: string): boolean {
  const wanted = Buffer.from(hash, 'hex');
  const given = Buffer.from(hashOf(secret), 'hex');
  return wanted.length === given.length && timingSafeEqual(wanted, given);
}

const ID = '[0-9a-f]{12}';
const SECRET = '[\\w-]{43}';
const TOKEN = new RegExp(`^hf_(${ID})_(${SECRET})$`);
const JOIN_TOKEN = new RegExp(`^hfj_(${ID})_(${SECRET})(?:_([0-9a-f]{64}))?$`);

export interface TokenParts {
  readonly id: string;
  readonly secret: string;
}

/** `hf_<id>_<secret>`: an operator's. `undefined` where it is none. */
export function parseToken(text: string): TokenParts | undefined {
  return partsOf(TOKEN.exec(text));
}

/** `hfj_<id>_<secret>[_<pin>]`: a join token; the pin is for the agent and need not be sent. */
export function parseJoinToken(text: string): TokenParts | undefined {
  return partsOf(JOIN_TOKEN.exec(text));
}

function partsOf(match: RegExpExecArray | null): TokenParts | undefined {
  const [, id, secret] = match ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

export function tokenText({ id, secret }: NewSecret): string {
  return `hf_${id}_${secret}`;
}

export function joinTokenText({ id, secret }: NewSecret, pin: string): string {
  return `hfj_${id}_${secret}_${pin}`;
}

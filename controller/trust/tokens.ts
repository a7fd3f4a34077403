import type { Kysely } from 'kysely';
import type { Bus } from '../store/bus.ts';
import type { OperatorRole, Tables, TokensTable } from '../store/tables.ts';
import { Remembered } from './remembered.ts';
import { hashOf, isSecretOf, newSecret, parseToken, tokenText } from './secret-text.ts';

/** A token that is used all the time is noted as used once in so long. */
const USED_EVERY_MS = 60_000;
const MAX_CACHED = 1000;

/** What may be shown of a token. */
export type TokenView = Omit<TokensTable, 'hash'>;

export interface NewToken {
  readonly name: string;
  readonly role: OperatorRole;
  readonly createdBy: string;
  /** Never, where absent. */
  readonly expires_ms?: number | undefined;
}

export interface TrustParts {
  readonly db: Kysely<Tables>;
  readonly bus: Bus;
  readonly now_ms: () => number;
}

export type TokenCheck =
  | { readonly ok: true; readonly token: TokenView }
  | { readonly ok: false; readonly why: 'malformed' | 'unknown' | 'expired' | 'revoked'; readonly id?: string };

/** Tokens of operators. Kept as hashes; what is asked for often is remembered until another controller says otherwise. */
export class Tokens {
  readonly #parts: TrustParts;
  readonly #known: Remembered<TokensTable>;

  constructor(parts: TrustParts) {
    this.#parts = parts;
    this.#known = new Remembered({ max: MAX_CACHED, read: (id) => this.#read(id) });
    parts.bus.subscribe('trust', (text) => {
      if (text.startsWith('token ')) this.#known.forget(text.slice('token '.length));
    });
    parts.bus.onGap(() => this.#known.clear());
  }

  /** Resolves to the token's text, which is shown once and cannot be had again. */
  async create({
    name,
    role,
    createdBy,
    expires_ms,
  }: NewToken): Promise<{ readonly text: string; readonly id: string }> {
    const made = newSecret();
    await this.#insert({ id: made.id, hash: made.hash, name, role, createdBy, expires_ms });
    return { text: tokenText(made), id: made.id };
  }

  /** Takes a token that was made elsewhere, such as the first one of an operator's own provisioning. Known ones stay as they are. */
  async adopt(text: string, token: NewToken): Promise<'adopted' | 'known'> {
    const parts = parseToken(text);
    if (parts === undefined)
      throw new Error('expected hf_, 12 hex digits, _ and 43 characters of base64url on one line');
    const known = await this.#read(parts.id);
    if (known !== undefined) {
      if (!isSecretOf(known.hash, parts.secret)) throw new Error(`there is another token ${parts.id}`);
      return 'known';
    }
    await this.#insert({ ...token, id: parts.id, hash: hashOf(parts.secret) });
    return 'adopted';
  }

  async check(text: string): Promise<TokenCheck> {
    const parts = parseToken(text);
    if (parts === undefined) return { ok: false, why: 'malformed' };
    const { id } = parts;
    const token = await this.#known.get(id);
    if (token === undefined || !isSecretOf(token.hash, parts.secret)) return { ok: false, why: 'unknown', id };
    const now = this.#parts.now_ms();
    if (token.revoked_ms !== null) return { ok: false, why: 'revoked', id };
    if (token.expires_ms !== null && token.expires_ms <= now) return { ok: false, why: 'expired', id };
    if ((token.last_used_ms ?? 0) + USED_EVERY_MS <= now) {
      token.last_used_ms = now;
      await this.#parts.db.updateTable('tokens').set({ last_used_ms: now }).where('id', '=', id).execute();
    }
    return { ok: true, token: viewOf(token) };
  }

  async list(): Promise<readonly TokenView[]> {
    const rows = await this.#parts.db.selectFrom('tokens').selectAll().orderBy('created_ms').orderBy('id').execute();
    return rows.map(viewOf);
  }

  /** Whether anybody may still do everything. */
  async hasAdmin(): Promise<boolean> {
    const now = this.#parts.now_ms();
    const rows = await this.list();
    return rows.some((one) => one.role === 'admin' && one.revoked_ms === null && (one.expires_ms ?? now + 1) > now);
  }

  /** `undefined` where there is none; otherwise as it is now. */
  async revoke(id: string): Promise<TokenView | undefined> {
    await this.#parts.db
      .updateTable('tokens')
      .set({ revoked_ms: this.#parts.now_ms() })
      .where('id', '=', id)
      .where('revoked_ms', 'is', null)
      .execute();
    this.#known.forget(id);
    await this.#parts.bus.publish('trust', `token ${id}`);
    const token = await this.#read(id);
    return token && viewOf(token);
  }

  async #insert(token: NewToken & { readonly id: string; readonly hash: string }): Promise<void> {
    await this.#parts.db
      .insertInto('tokens')
      .values({
        id: token.id,
        name: token.name,
        role: token.role,
        hash: token.hash,
        created_ms: this.#parts.now_ms(),
        created_by: token.createdBy,
        expires_ms: token.expires_ms ?? null,
        last_used_ms: null,
        revoked_ms: null,
      })
      .execute();
  }

  #read(id: string): Promise<TokensTable | undefined> {
    return this.#parts.db.selectFrom('tokens').selectAll().where('id', '=', id).executeTakeFirst();
  }
}

function viewOf({ hash: _hash, ...view }: TokensTable): TokenView {
  return view;
}

import type { JoinTokensTable } from '../store/tables.ts';
import { isSecretOf, joinTokenText, newSecret, parseJoinToken } from './secret-text.ts';
import type { TrustParts } from './tokens.ts';

export type JoinTokenView = Omit<JoinTokensTable, 'hash'>;

export interface NewJoinToken {
  /** The host that it is for; any that git names where absent. */
  readonly host: string | undefined;
  readonly createdBy: string;
  readonly expires_ms: number;
  readonly uses: number;
}

export type JoinTokenCheck =
  | { readonly ok: true; readonly token: JoinTokenView }
  | { readonly ok: false; readonly why: 'malformed' | 'unknown' | 'expired' | 'used'; readonly id?: string };

/** Tokens by which machines become hosts. */
export class JoinTokens {
  readonly #parts: TrustParts & { readonly pin: string };

  constructor(parts: TrustParts & { readonly pin: string }) {
    this.#parts = parts;
  }

  /** Resolves to the token's text, which is shown once and cannot be had again. */
  async create({
    host,
    createdBy,
    expires_ms,
    uses,
  }: NewJoinToken): Promise<{ readonly text: string; readonly id: string }> {
    const made = newSecret();
    await this.#parts.db
      .insertInto('join_tokens')
      .values({
        id: made.id,
        hash: made.hash,
        host: host ?? null,
        created_ms: this.#parts.now_ms(),
        created_by: createdBy,
        expires_ms,
        uses_left: uses,
      })
      .execute();
    return { text: joinTokenText(made, this.#parts.pin), id: made.id };
  }

  /** Whether it would be accepted; uses nothing of it. */
  async check(text: string): Promise<JoinTokenCheck> {
    const parts = parseJoinToken(text);
    if (parts === undefined) return { ok: false, why: 'malformed' };
    const { id, secret } = parts;
    const token = await this.#parts.db.selectFrom('join_tokens').selectAll().where('id', '=', id).executeTakeFirst();
    if (token === undefined || !isSecretOf(token.hash, secret)) return { ok: false, why: 'unknown', id };
    if (token.expires_ms <= this.#parts.now_ms()) return { ok: false, why: 'expired', id };
    if (token.uses_left <= 0) return { ok: false, why: 'used', id };
    return { ok: true, token: viewOf(token) };
  }

  /** Takes one use; false where another machine was quicker. */
  async use(id: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#parts.db
      .updateTable('join_tokens')
      .set((row) => ({ uses_left: row('uses_left', '-', 1) }))
      .where('id', '=', id)
      .where('uses_left', '>', 0)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async list(): Promise<readonly JoinTokenView[]> {
    const rows = await this.#parts.db.selectFrom('join_tokens').selectAll().orderBy('created_ms').execute();
    return rows.map(viewOf);
  }

  /** Whether there was one. */
  async revoke(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.#parts.db.deleteFrom('join_tokens').where('id', '=', id).executeTakeFirst();
    return numDeletedRows > 0n;
  }
}

function viewOf({ hash: _hash, ...view }: JoinTokensTable): JoinTokenView {
  return view;
}

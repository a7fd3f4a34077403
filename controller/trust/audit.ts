import type { Kysely } from 'kysely';
import { plain } from '../store/plain.ts';
import type { Tables } from '../store/tables.ts';

export interface AuditEntry {
  /** See `actorOf`. */
  readonly actor: string;
  /** From where; absent for what the controller does by itself. */
  readonly address?: string | undefined;
  readonly action: string;
  /** What it was done to: a host, a token, a revision. */
  readonly subject: string;
  /** Never a secret, a token or a key. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Who did what, from where. */
export class Audit {
  readonly #db: Kysely<Tables>;
  readonly #now_ms: () => number;

  constructor(options: { readonly db: Kysely<Tables>; readonly now_ms: () => number }) {
    this.#db = options.db;
    this.#now_ms = options.now_ms;
  }

  async record({ actor, address, action, subject, detail = {} }: AuditEntry): Promise<void> {
    await this.#db
      .insertInto('audit')
      .values({
        at_ms: this.#now_ms(),
        actor: plain(actor),
        address: address ?? null,
        action,
        subject: plain(subject),
        detail: JSON.stringify(detail),
      })
      .execute();
  }
}

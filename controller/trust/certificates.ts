import { setTimeout as sleep } from 'node:timers/promises';
import type { CertificatesTable } from '../store/tables.ts';
import type { Authority, IssuedCertificate } from './authority.ts';
import { isCopied, judgeMachine, type KnownMachine, type MachineClaim, parseMachine } from './machine.ts';
import { Remembered } from './remembered.ts';
import type { TrustParts } from './tokens.ts';

/** Two of each of 10,000 hosts, some hundred bytes each. */
const MAX_CACHED = 20_000;

/** What may be shown of a certificate; its machine is nobody's business. */
export type CertificateView = Omit<CertificatesTable, 'machine'>;

interface KnownCertificate {
  readonly row: CertificatesTable;
  readonly machine: KnownMachine | undefined;
}

export type CertificateCheck =
  | { readonly ok: true; readonly host: string }
  | {
      readonly ok: false;
      readonly why: 'unknown' | 'revoked' | 'expired' | 'no-machine' | 'other-machine' | 'copied-machine';
      readonly host?: string;
      /** Of a revoked one: why it is. */
      readonly reason?: string;
    };

/** What comes within this time after a write is written with the next. */
const NOTES_GATHERED_MS = 50;
const NOTES_PER_WRITE = 200;

interface Note {
  readonly fingerprint: string;
  readonly machine: string;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** Certificates of hosts: which were issued, and whether they still count. */
export class Certificates {
  readonly #parts: TrustParts;
  readonly #authority: Authority;
  readonly #known: Remembered<KnownCertificate>;
  readonly #notes: Note[] = [];
  #isNoting = false;
  #lastNoted_ms = Number.NEGATIVE_INFINITY;

  constructor(parts: TrustParts & { readonly authority: Authority }) {
    this.#parts = parts;
    this.#authority = parts.authority;
    this.#known = new Remembered({ max: MAX_CACHED, read: (fingerprint) => this.#read(fingerprint) });
    parts.bus.subscribe('trust', (text) => {
      if (text.startsWith('certificate ')) this.#known.forget(text.slice('certificate '.length));
    });
    parts.bus.onGap(() => this.#known.clear());
  }

  /** Signs the key of a request for a host on a machine. Throws `BadRequestForCertificate`. */
  async issue(host: string, csr: string, machine: string): Promise<IssuedCertificate> {
    const issued = await this.#authority.issueHost(host, csr);
    const known: KnownMachine = { id: machine, starts: [], returns: 0 };
    await this.#parts.db
      .insertInto('certificates')
      .values({
        fingerprint: issued.fingerprint,
        host,
        serial: issued.serial,
        issued_ms: issued.issued_ms,
        expires_ms: issued.expires_ms,
        revoked_ms: null,
        revoked_by: null,
        why: null,
        machine: JSON.stringify(known),
      })
      .execute();
    return issued;
  }

  /** Whether the holder of a certificate may speak for its host, from the machine that it says it is on. */
  async check(fingerprint: string, claim: MachineClaim | undefined): Promise<CertificateCheck> {
    const known = await this.#known.get(fingerprint);
    if (known === undefined) return { ok: false, why: 'unknown' };
    const { row, machine } = known;
    const { host } = row;
    if (row.revoked_ms !== null) return { ok: false, why: 'revoked', host, reason: row.why ?? 'no reason was given' };
    if (row.expires_ms <= this.#parts.now_ms()) return { ok: false, why: 'expired', host };
    if (machine === undefined) return { ok: true, host };
    if (claim === undefined) return { ok: false, why: 'no-machine', host };
    const verdict = judgeMachine(machine, claim);
    if (verdict.is === 'other') return { ok: false, why: 'other-machine', host };
    if (verdict.is === 'copy') return { ok: false, why: 'copied-machine', host };
    if (verdict.machine === undefined) return { ok: true, host };
    await this.#note(row, verdict.machine);
    // The agent has what it was given: the one that was renewed has served its time.
    if (verdict.is === 'first') await this.#revokeOlder(row);
    return { ok: true, host };
  }

  /** Whether a connection of its holder may stay open. */
  async isGood(fingerprint: string): Promise<boolean> {
    const known = await this.#known.get(fingerprint);
    return known?.row.revoked_ms === null && !(known.machine !== undefined && isCopied(known.machine));
  }

  /** How many were issued for a host of late, however they fare now. */
  async issuedSince(host: string, since_ms: number): Promise<number> {
    const { amount } = await this.#parts.db
      .selectFrom('certificates')
      .select((row) => row.fn.countAll<number | string | bigint>().as('amount'))
      .where('host', '=', host)
      .where('issued_ms', '>=', since_ms)
      .executeTakeFirstOrThrow();
    return Number(amount);
  }

  /** Machines that hold a certificate of this host that still counts. */
  async machinesOf(host: string): Promise<readonly string[]> {
    const rows = await this.#live(host);
    return rows.flatMap(({ machine }) => parseMachine(machine)?.id ?? []);
  }

  /** Newest first. */
  async list(host?: string): Promise<readonly CertificateView[]> {
    const query = this.#parts.db.selectFrom('certificates').selectAll().orderBy('issued_ms', 'desc');
    const rows = await (host === undefined ? query : query.where('host', '=', host)).execute();
    return rows.map(viewOf);
  }

  /** `undefined` where there is none; otherwise as it is now. Takes effect at once, on connections that are open, too. */
  async revoke(fingerprint: string, by: string, why: string): Promise<CertificateView | undefined> {
    await this.#parts.db
      .updateTable('certificates')
      .set({ revoked_ms: this.#parts.now_ms(), revoked_by: by, why })
      .where('fingerprint', '=', fingerprint)
      .where('revoked_ms', 'is', null)
      .execute();
    await this.#changed(fingerprint);
    const known = await this.#read(fingerprint);
    return known && viewOf(known.row);
  }

  /** Every certificate of a host that still counts. Resolves to those that it was. */
  async revokeHost(host: string, by: string, why: string): Promise<readonly string[]> {
    const fingerprints = (await this.#live(host)).map(({ fingerprint }) => fingerprint);
    for (const fingerprint of fingerprints) await this.revoke(fingerprint, by, why);
    return fingerprints;
  }

  async #revokeOlder({ host, fingerprint, issued_ms }: CertificatesTable): Promise<void> {
    for (const one of await this.#live(host)) {
      if (one.fingerprint === fingerprint || one.issued_ms > issued_ms) continue;
      await this.revoke(one.fingerprint, 'controller', 'it was renewed');
    }
  }

  /** Resolves once it is written down. Agents that come at once, as after a power cut, are written down together. */
  #note({ fingerprint }: CertificatesTable, machine: KnownMachine): Promise<void> {
    return new Promise((done, failed) => {
      this.#notes.push({ fingerprint, machine: JSON.stringify(machine), done, failed });
      if (!this.#isNoting) void this.#writeNotes();
    });
  }

  async #writeNotes(): Promise<void> {
    this.#isNoting = true;
    while (this.#notes.length > 0) {
      const pause_ms = this.#lastNoted_ms + NOTES_GATHERED_MS - performance.now();
      if (pause_ms > 0) await sleep(pause_ms);
      await this.#writeNoted(this.#notes.splice(0, NOTES_PER_WRITE));
      this.#lastNoted_ms = performance.now();
    }
    this.#isNoting = false;
  }

  async #writeNoted(notes: readonly Note[]): Promise<void> {
    try {
      // In one order everywhere, so that two controllers wait for each other instead of both failing.
      const rows = notes.toSorted((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
      await this.#parts.db.transaction().execute(async (db) => {
        for (const { fingerprint, machine } of rows) {
          await db.updateTable('certificates').set({ machine }).where('fingerprint', '=', fingerprint).execute();
        }
      });
      for (const { fingerprint } of notes) await this.#changed(fingerprint);
      for (const { done } of notes) done();
    } catch (error) {
      for (const { failed } of notes) failed(error);
    }
  }

  async #changed(fingerprint: string): Promise<void> {
    this.#known.forget(fingerprint);
    await this.#parts.bus.publish('trust', `certificate ${fingerprint}`);
  }

  #live(host: string): Promise<CertificatesTable[]> {
    return this.#parts.db
      .selectFrom('certificates')
      .selectAll()
      .where('host', '=', host)
      .where('revoked_ms', 'is', null)
      .where('expires_ms', '>', this.#parts.now_ms())
      .execute();
  }

  async #read(fingerprint: string): Promise<KnownCertificate | undefined> {
    const row = await this.#parts.db
      .selectFrom('certificates')
      .selectAll()
      .where('fingerprint', '=', fingerprint)
      .executeTakeFirst();
    return row && { row, machine: parseMachine(row.machine) };
  }
}

function viewOf({ machine: _machine, ...view }: CertificatesTable): CertificateView {
  return view;
}

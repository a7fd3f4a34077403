import { ENROLL, type Identity } from '../enroll/identity.ts';
import type { FileWriter } from '../host/files/port.ts';
import type { AgentConfig } from './config.ts';
import type { Credentials } from './credentials.ts';
import type { Log } from './log.ts';
import type { CertificateView } from './status.ts';

/** Between so much of a certificate's life and two thirds of it, each host at a moment of its own. */
const EARLIEST = 0.6;
const LATEST = 2 / 3;
/** What failed is tried again soon enough, and a controller that is away is not asked by all in one moment. */
const RETRY_MS = 3_600_000;

export interface RenewalParts {
  readonly config: AgentConfig & { readonly controller: URL };
  readonly credentials: Credentials;
  readonly files: FileWriter;
  readonly version: string;
  readonly log: Pick<Log, 'notice' | 'warning' | 'error'>;
  readonly now_ms?: () => number;
}

/** Sees to it that this host has a certificate tomorrow, too. */
export class Renewal {
  readonly #parts: RenewalParts;
  readonly #now_ms: () => number;
  #next_ms = 0;
  #failed: CertificateView['renewalFailed'];

  constructor(parts: RenewalParts) {
    this.#parts = parts;
    this.#now_ms = parts.now_ms ?? Date.now;
  }

  /** To be called every minute or so; never rejects. Resolves to whether there is a new certificate. */
  async tick(): Promise<boolean> {
    const now = this.#now_ms();
    if (now < this.#next_ms) return false;
    const { credentials, config, files, version, log } = this.#parts;
    try {
      const { identity, secureContext, machine } = credentials.current();
      const due_ms = renewAt_ms(identity);
      if (now < due_ms) {
        // An enrolment may put another one in its place meanwhile.
        this.#failed = undefined;
        return false;
      }
      this.#next_ms = now + RETRY_MS;
      const { renew } = await import('../enroll/enroll.ts');
      const { controller, host, stateDirectory } = config;
      const line = { controller, userAgent: `holdfast-agent/${version}`, tls: { secureContext } };
      const renewed = await renew({ host, line, machine, stateDirectory, files });
      this.#next_ms = 0;
      this.#failed = undefined;
      log.notice(`the certificate of ${host} is renewed; it holds until ${new Date(renewed.expires_ms).toISOString()}`);
      return true;
    } catch (error) {
      if (this.#next_ms <= now) return false; // not enrolled: whoever asks the controller says so
      const reason = reasonOf(error);
      this.#failed = { at_ms: now, reason };
      log.warning(`the certificate could not be renewed, and is tried again in an hour: ${reason}`);
      return false;
    }
  }

  /** How the certificate is now; `undefined` where there is none that can be read. */
  view(): CertificateView | undefined {
    const identity = this.#identity();
    if (identity === undefined) return undefined;
    const now = this.#now_ms();
    const { expires_ms } = identity;
    const renewal_ms = Math.round(renewAt_ms(identity));
    // Another certificate may be there since the last try failed.
    const renewalFailed = now < renewal_ms ? undefined : this.#failed;
    const view = { expires_ms, renewal_ms, ...(renewalFailed === undefined ? {} : { renewalFailed }) };
    const warning = warningOf(view, now);
    return warning === undefined ? view : { ...view, warning };
  }

  #identity(): Identity | undefined {
    try {
      return this.#parts.credentials.current().identity;
    } catch {
      return undefined; // whoever asks the controller says why
    }
  }
}

function warningOf(view: CertificateView, now_ms: number): string | undefined {
  const { expires_ms, renewal_ms, renewalFailed } = view;
  if (now_ms >= expires_ms) {
    const why = renewalFailed === undefined ? '' : ` (its renewal failed: ${renewalFailed.reason})`;
    return `it has expired: enrol this host again: ${ENROLL}${why}`;
  }
  if (renewalFailed === undefined) return undefined;
  return `its renewal is due since ${new Date(renewal_ms).toISOString()} and fails: ${renewalFailed.reason}`;
}

/** Spread by what is different for each certificate, and the same at each look. */
export function renewAt_ms(identity: {
  readonly issued_ms: number;
  readonly expires_ms: number;
  readonly fingerprint: string;
}): number {
  const share = Number.parseInt(identity.fingerprint.slice(0, 8), 16) / 0xffff_ffff;
  const life_ms = identity.expires_ms - identity.issued_ms;
  return identity.issued_ms + life_ms * (EARLIEST + (LATEST - EARLIEST) * share);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

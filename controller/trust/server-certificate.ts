import { hostname, networkInterfaces } from 'node:os';
import type { Server } from 'node:tls';
import type { FastifyBaseLogger } from 'fastify';
import type { Authority, IssuedCertificate } from './authority.ts';

const LOOK_EVERY_MS = 3_600_000;
const LOOPBACK = ['localhost', '127.0.0.1', '::1'] as const;

type KeyPair = IssuedCertificate & { readonly key: string };

export interface ServerCertificateOptions {
  readonly authority: Authority;
  readonly names: readonly string[];
  readonly now_ms: () => number;
}

/**
 * The certificate by which agents and operators know the controller. It lives in memory alone: a start makes another one,
 * and so does the last third of its life, without a restart. What is trusted is the authority, so nobody notices.
 */
export class ServerCertificate {
  readonly #options: ServerCertificateOptions;
  #current: KeyPair;
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: ServerCertificateOptions, first: KeyPair) {
    this.#options = options;
    this.#current = first;
  }

  static async issue(options: ServerCertificateOptions): Promise<ServerCertificate> {
    return new ServerCertificate(options, await options.authority.issueServer(options.names));
  }

  /** For `createSecureContext`, with the authority that clients are checked against. */
  get context(): { readonly cert: string; readonly key: string; readonly ca: string } {
    return { cert: this.#current.pem, key: this.#current.key, ca: this.#options.authority.certificate };
  }

  get expires_ms(): number {
    return this.#current.expires_ms;
  }

  /** Gives a server the next certificate in time; connections that are open keep the one that they began with. */
  keepFresh(server: Pick<Server, 'setSecureContext'>, log: Pick<FastifyBaseLogger, 'info' | 'error'>): void {
    this.#timer = setInterval(() => {
      this.renewIfDue(server, log).catch((error: unknown) =>
        log.error(
          { err: error },
          'the certificate of the controller could not be renewed; it is tried again each hour',
        ),
      );
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }

  async renewIfDue(server: Pick<Server, 'setSecureContext'>, log: Pick<FastifyBaseLogger, 'info'>): Promise<boolean> {
    const { issued_ms, expires_ms } = this.#current;
    if (this.#options.now_ms() < issued_ms + ((expires_ms - issued_ms) * 2) / 3) return false;
    this.#current = await this.#options.authority.issueServer(this.#options.names);
    server.setSecureContext(this.context);
    log.info(
      { expires: new Date(this.#current.expires_ms).toISOString() },
      'the certificate of the controller is renewed',
    );
    return true;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** What the certificate names: what the operator says; else this machine's name and addresses. The loopback in any case. */
export function serverNames(given: readonly string[], listen: string): readonly string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ address, scopeid }) => !address.startsWith('fe80:') && (scopeid ?? 0) === 0)
    .map(({ address }) => address);
  const own = given.length > 0 ? given : [hostname(), ...addresses];
  const bound = listen === '0.0.0.0' || listen === '::' ? [] : [listen];
  return [...new Set([...own, ...bound, ...LOOPBACK])];
}

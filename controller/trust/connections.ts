import type { Bus } from '../store/bus.ts';
import type { Certificates } from './certificates.ts';

/** A socket, or what a host waits at without one that speaks TLS. */
export interface Connection {
  once(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

/**
 * Open connections by the certificate that was shown on them. A held request was let in when it began: when its
 * certificate is revoked it must end, and not get one last manifest.
 */
export class Connections {
  readonly #certificates: Certificates;
  readonly #byFingerprint = new Map<string, Set<Connection>>();

  /** To be made after the certificates, so that these have forgotten what has changed when it asks them. */
  constructor({ bus, certificates }: { readonly bus: Bus; readonly certificates: Certificates }) {
    this.#certificates = certificates;
    bus.subscribe('trust', async (text) => {
      if (text.startsWith('certificate ')) await this.#look(text.slice('certificate '.length));
    });
    bus.onGap(async () => {
      for (const fingerprint of this.#byFingerprint.keys()) await this.#look(fingerprint);
    });
  }

  add(fingerprint: string, connection: Connection): void {
    const connections = this.#byFingerprint.get(fingerprint) ?? new Set();
    if (connections.has(connection)) return;
    this.#byFingerprint.set(fingerprint, connections.add(connection));
    connection.once('close', () => {
      connections.delete(connection);
      if (connections.size === 0) this.#byFingerprint.delete(fingerprint);
    });
  }

  async #look(fingerprint: string): Promise<void> {
    const connections = this.#byFingerprint.get(fingerprint);
    if (connections === undefined || (await this.#certificates.isGood(fingerprint))) return;
    for (const connection of connections) connection.destroy();
  }
}

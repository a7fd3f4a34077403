import type { Socket } from 'node:net';
import type { Bus } from '../store/bus.ts';
import type { Certificates } from './certificates.ts';

/**
 * Open connections by the certificate that was shown on them. A held request was let in when it began: when its
 * certificate is revoked it must end, and not get one last manifest.
 */
export class Connections {
  readonly #certificates: Certificates;
  readonly #byFingerprint = new Map<string, Set<Socket>>();

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

  add(fingerprint: string, socket: Socket): void {
    const sockets = this.#byFingerprint.get(fingerprint) ?? new Set();
    if (sockets.has(socket)) return;
    this.#byFingerprint.set(fingerprint, sockets.add(socket));
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0) this.#byFingerprint.delete(fingerprint);
    });
  }

  async #look(fingerprint: string): Promise<void> {
    const sockets = this.#byFingerprint.get(fingerprint);
    if (sockets === undefined || (await this.#certificates.isGood(fingerprint))) return;
    for (const socket of sockets) socket.destroy();
  }
}

import { Socket } from 'node:net';

export interface PeerIdentity {
  readonly uid: number;
  readonly gid: number;
}

/**
 * A socket that connects as another user of the system, for PostgreSQL's peer authentication.
 *
 * The kernel records the effective user at connect(2) (SO_PEERCRED), and for a unix socket libuv calls connect(2)
 * within `connect`. So the process changes its effective user for these few microseconds only. The change holds for
 * all threads: see docs/adr/0007-postgres-by-peer.md for why that is safe here.
 */
export class PeerSocket extends Socket {
  readonly #identity: PeerIdentity;

  constructor(identity: PeerIdentity) {
    super();
    this.#identity = identity;
  }

  override connect(...target: readonly unknown[]): this {
    const path = String(target[0]);
    const uid = process.geteuid?.();
    const gid = process.getegid?.();
    // Only root can become somebody else; any other user connects as what it is.
    if (uid !== 0 || gid === undefined) {
      return super.connect({ path });
    }
    process.setegid?.(this.#identity.gid);
    try {
      process.seteuid?.(this.#identity.uid);
      try {
        return super.connect({ path });
      } finally {
        process.seteuid?.(uid);
      }
    } finally {
      process.setegid?.(gid);
    }
  }
}

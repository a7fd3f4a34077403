import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import type { Agent } from 'node:https';
import type { SecureContext } from 'node:tls';
import { ENROLL, type Identity, identityPath, machineId, readIdentity } from '../enroll/identity.ts';

export interface Credential {
  readonly identity: Identity;
  readonly secureContext: SecureContext;
  /** Held requests follow each other on one connection: a new one for each would cost both sides a handshake a minute. */
  readonly pool: Agent;
  /** Which machine this is, and which start of its daemon: see the controller's `trust/machine.ts`. */
  readonly machine: string;
}

const START_BYTES = 8;

/** The identity of this host, read again when an enrolment or a renewal has replaced it. */
export class Credentials {
  readonly #stateDirectory: string;
  readonly #start = randomBytes(START_BYTES).toString('hex');
  #current: Credential | undefined;
  #seen = '';
  #keepsConnections = true;

  constructor(stateDirectory: string) {
    this.#stateDirectory = stateDirectory;
  }

  /** Throws, with what to do, where the host is not enrolled. */
  current(): Credential {
    const stats = statSync(identityPath(this.#stateDirectory), { throwIfNoEntry: false });
    const seen = stats === undefined ? '' : `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
    if (this.#current !== undefined && seen === this.#seen) return this.#current;
    const identity = readIdentity(this.#stateDirectory);
    const machine = machineId(this.#stateDirectory);
    if (identity === undefined || machine === undefined) {
      throw new Error(
        `this host is not enrolled; run: ${ENROLL} (holdfast token join, on the operator's side, makes the token)`,
      );
    }
    this.#current?.pool.destroy();
    this.#current = {
      identity,
      machine: `${machine}.${this.#start}`,
      // Loaded only where they are used, and not by `import()`, which the bundle would turn into another module.
      secureContext: process.getBuiltinModule('node:tls').createSecureContext({
        key: identity.key,
        cert: identity.certificate,
        ca: identity.ca,
      }),
      pool: newPool(() => this.#keepsConnections),
    };
    this.#seen = seen;
    return this.#current;
  }

  /** Whether a connection is kept for the next request; where not, those that are kept already are closed. */
  keepConnections(keeps: boolean): void {
    this.#keepsConnections = keeps;
    if (keeps) return;
    for (const sockets of Object.values(this.#current?.pool.freeSockets ?? {})) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  close(): void {
    this.#current?.pool.destroy();
  }
}

/**
 * Keeps the connection of the held requests alone. What a report or an answer took beside it would be of no use before the
 * controller closes it, and of 10,000 agents it would be 10,000 connections more.
 */
function newPool(keeps: () => boolean): Agent {
  const pool: Agent = new (process.getBuiltinModule('node:https').Agent)({ keepAlive: true, maxFreeSockets: 1 });
  const keep = pool.keepSocketAlive.bind(pool);
  pool.keepSocketAlive = (socket) => {
    const inUse = Object.values(pool.sockets).reduce((count, sockets) => count + (sockets?.length ?? 0), 0);
    return keeps() && inUse <= 1 && keep(socket);
  };
  return pool;
}

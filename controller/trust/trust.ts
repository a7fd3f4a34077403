import { join } from 'node:path';
import { readIfThere, writeFileAtomically } from '../store/atomic-file.ts';
import type { Store } from '../store/database.ts';
import type { StoreLog } from '../store/log.ts';
import { Audit } from './audit.ts';
import type { Authentication } from './authenticate.ts';
import { Authority } from './authority.ts';
import { Certificates } from './certificates.ts';
import { Connections } from './connections.ts';
import { Failures } from './failures.ts';
import { JoinTokens } from './join-tokens.ts';
import { newSecret, tokenText } from './secret-text.ts';
import { Tokens } from './tokens.ts';

/** Who may do what, and how that is proved. */
export interface Trust extends Authentication {
  readonly authority: Authority;
  readonly joinTokens: JoinTokens;
}

export interface TrustOptions {
  readonly store: Pick<Store, 'db' | 'bus' | 'shared'>;
  readonly stateDirectory: string;
  readonly caCert?: string | undefined;
  readonly caKey?: string | undefined;
  /** Holds the first token of an administrator: read where it is there, written at the first start where it is not. */
  readonly adminTokenFile?: string | undefined;
  readonly now_ms: () => number;
  readonly log: Pick<StoreLog, 'info' | 'warn'>;
}

/** Opens the authority and what it has vouched for. Throws, with what to do, where controllers would disagree. */
export async function openTrust(options: TrustOptions): Promise<Trust> {
  const { store, stateDirectory, now_ms, log } = options;
  const authority = await Authority.open({
    stateDirectory,
    certificateFile: options.caCert,
    keyFile: options.caKey,
    now_ms,
  });
  await mustBeOneAuthority(options, authority);
  const parts = { db: store.db, bus: store.bus, now_ms };
  const tokens = new Tokens(parts);
  const certificates = new Certificates({ ...parts, authority });
  await haveAdmin(tokens, options.adminTokenFile ?? join(stateDirectory, 'admin.token'), log);
  return {
    authority,
    tokens,
    certificates,
    joinTokens: new JoinTokens({ ...parts, pin: authority.pin }),
    audit: new Audit(parts),
    failures: new Failures(now_ms),
    connections: new Connections({ bus: store.bus, certificates }),
  };
}

const PIN = 'ca.pin';

/** Two controllers of one database that trust different authorities would each refuse the hosts of the other. */
async function mustBeOneAuthority({ store, log }: TrustOptions, { pin }: Authority): Promise<void> {
  const { db } = store;
  await db
    .insertInto('settings')
    .values({ name: PIN, value: pin })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const { value } = await db.selectFrom('settings').select('value').where('name', '=', PIN).executeTakeFirstOrThrow();
  if (value === pin) return;
  if (store.shared) {
    throw new Error(
      `this database was begun with another certificate authority (SHA-256 ${value}): give the files of that one by --ca-cert ` +
        `and --ca-key. Where it is lost: delete from settings where name = '${PIN}', and enrol every host again`,
    );
  }
  await db.updateTable('settings').set({ value: pin }).where('name', '=', PIN).execute();
  log.warn({ pin }, 'another certificate authority than before: every host has to enrol again');
}

async function haveAdmin(tokens: Tokens, file: string, log: TrustOptions['log']): Promise<void> {
  const admin = { name: 'admin', role: 'admin', createdBy: 'controller' } as const;
  const text = await readIfThere(file);
  if (text !== undefined) {
    try {
      const outcome = await tokens.adopt(text.trim(), admin);
      if (outcome === 'adopted') log.info({ file }, 'the token of this file is an administrator now');
    } catch (error) {
      throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    return;
  }
  if (await tokens.hasAdmin()) return;
  // The file first: the text of the only token must not be lost.
  const made = tokenText(newSecret());
  await writeFileAtomically(file, `${made}\n`);
  await tokens.adopt(made, admin);
  log.info({ file }, 'the first token of an administrator is in this file');
}

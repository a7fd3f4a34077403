import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openStore, type Store } from '../../../../controller/store/database.ts';
import { openTrust, type Trust } from '../../../../controller/trust/trust.ts';
import { scratch } from '../../../programs/controller/git.ts';

export const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface TrustBench {
  readonly trust: Trust;
  readonly store: Store;
  readonly stateDirectory: string;
  readonly clock: { now_ms: number };
}

/** Trust over a database in memory, with a clock that the test moves. */
export async function startTrust(
  context: TestContext,
  known: { readonly stateDirectory?: string } = {},
): Promise<TrustBench> {
  const stateDirectory = known.stateDirectory ?? join(await scratch(context), 'state');
  const store = await openStore({ path: ':memory:', log: quiet });
  context.after(() => store.close());
  const clock = { now_ms: Date.now() };
  const trust = await openTrust({ store, stateDirectory, now_ms: () => clock.now_ms, log: quiet });
  return { trust, store, stateDirectory, clock };
}

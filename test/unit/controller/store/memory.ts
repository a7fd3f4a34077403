import type { TestContext } from 'node:test';
import { openStore, type Store } from '../../../../controller/store/database.ts';
import type { StoreLog } from '../../../../controller/store/log.ts';

export const quiet: StoreLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A store that is gone after the test. */
export async function memoryStore(context: TestContext): Promise<Store> {
  const store = await openStore({ path: ':memory:', log: quiet });
  context.after(() => store.close());
  return store;
}

/** A lock between processes of one machine that dies with its holder: an abstract unix socket that is listened on. */
import { createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 200;

/** Runs `work` while no other process holds the lock `name`. Rejects after `timeout_ms` of waiting. */
export async function withLock<T>(name: string, timeout_ms: number, work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + timeout_ms;
  let held = await tryLock(name);
  while (held === undefined) {
    if (Date.now() > deadline) throw new Error(`the lock ${name} was not free within ${timeout_ms} ms`);
    await delay(POLL_MS);
    held = await tryLock(name);
  }
  try {
    return await work();
  } finally {
    held.close();
  }
}

function tryLock(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      if ('code' in error && error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(`\0${name}`, () => resolve(server));
  });
}

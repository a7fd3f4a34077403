import { readFile } from 'node:fs/promises';
import type { FastifyBaseLogger } from 'fastify';
import { buildApp } from './app.ts';
import { readToken } from './auth.ts';
import { Hosts } from './hosts.ts';
import { Intake } from './intake/intake.ts';
import { SecretsFile } from './intake/secrets-file.ts';
import type { ControllerOptions } from './options.ts';
import { controllerIdentities } from './secrets/identity.ts';
import { SecretSources } from './secrets/sources.ts';
import { Repository, shown } from './source/repository.ts';
import { HostStore } from './store/host-store.ts';
import { ServedStore } from './store/served-store.ts';
import { Waiters } from './waiters.ts';
import { watchBranch } from './watch.ts';

export interface RunningController {
  /** `http://127.0.0.1:8470` */
  readonly url: string;
  /** Lets held requests go, finishes what is running, and closes. */
  stop(): Promise<void>;
}

/** Starts a controller: serves what was served before at once, then looks at the repository. */
export async function startController(
  options: ControllerOptions,
  logger: FastifyBaseLogger,
): Promise<RunningController> {
  const token = options.tokenFile === undefined ? undefined : await readToken(options.tokenFile);
  const tls = await readTls(options);
  const { repository, branch, directory, stateDirectory } = options;
  const source = new Repository({ repository, branch, directory, stateDirectory });
  await source.open();
  const identities = await controllerIdentities(stateDirectory, options.ageKey);
  const secrets = new SecretSources(new SecretsFile(options.secrets), identities);
  logger.info({ recipient: secrets.recipient }, 'secrets in git are read that are encrypted to this recipient');
  const store = new HostStore(stateDirectory);
  for (const path of await store.load()) logger.warn({ path }, 'damaged record of a host ignored');
  const waiters = new Waiters();
  const now_ms = (): number => Date.now();
  const hosts = new Hosts({ store, intake: () => intake, now_ms, silentAfter_ms: options.silentAfter_ms });
  const intake: Intake = new Intake({
    source,
    directory,
    store: new ServedStore(stateDirectory),
    secrets,
    facts: () => hosts.facts(),
    now_ms,
    changed: (names) => waiters.release(names),
    log: logger,
  });
  await intake.open();
  const shownSource = { repository: shown(repository), branch, directory };
  const app = buildApp({
    services: { intake, hosts, waiters, source: shownSource },
    token,
    logger,
    ...(tls && { tls }),
  });
  const url = await app.listen({ host: options.host, port: options.port });
  if (token !== undefined && tls === undefined && !/\/\/(?:127\.|localhost|\[::1\])/.test(url)) {
    logger.warn({ url }, 'secrets and the token travel in clear: give --tls-cert and --tls-key');
  }
  // A refresh never rejects: what goes wrong is in the status and in the log.
  void intake.refresh();
  const timer = setInterval(() => void intake.refresh(), options.poll_ms);
  const unwatch = watchBranch(repository, branch, () => void intake.refresh());
  return {
    url,
    async stop() {
      clearInterval(timer);
      unwatch();
      waiters.close();
      await app.close();
      await intake.idle();
    },
  };
}

async function readTls({ tlsCert, tlsKey }: ControllerOptions): Promise<{ cert: string; key: string } | undefined> {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  return { cert: await readFile(tlsCert, 'utf8'), key: await readFile(tlsKey, 'utf8') };
}

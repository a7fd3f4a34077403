import { Server } from 'node:https';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { buildApp } from './app.ts';
import { Bells } from './bells.ts';
import { openFleet } from './fleet.ts';
import { openDesiredState } from './git/desired-state.ts';
import { makeHandshakesInTurns } from './handshakes.ts';
import { HeldConnections } from './held-connections.ts';
import { Hosts } from './hosts.ts';
import { Intake } from './intake/intake.ts';
import { keepRefusals } from './intake/keep-refusals.ts';
import { SecretsFile } from './intake/secrets-file.ts';
import { NewsFirst } from './news-first.ts';
import type { ControllerOptions } from './options.ts';
import type { Rollout } from './rollout/model.ts';
import { RolloutStatsd } from './rollout/statsd.ts';
import { controllerIdentities } from './secrets/identity.ts';
import { warnOfAnotherKey } from './secrets/one-key.ts';
import { SecretSources } from './secrets/sources.ts';
import { openStore, type Store } from './store/database.ts';
import { readDatabaseUrl } from './store/database-url.ts';
import { HostRecords } from './store/host-records.ts';
import { DEFAULT_RETENTION, sweepRegularly } from './store/retention.ts';
import { derive } from './store/sealed.ts';
import { ServerCertificate, serverNames } from './trust/server-certificate.ts';
import { openTrust } from './trust/trust.ts';
import { Waiters } from './waiters.ts';

/** A crowd finds room in the kernel's queue, as far as net.core.somaxconn goes: who finds none is told nothing, and waits. */
const BACKLOG = 4096;

export interface RunningController {
  /** `https://127.0.0.1:8470` */
  readonly url: string;
  /** Lets held requests go, finishes what is running, and closes. */
  stop(): Promise<void>;
}

/** Starts a controller: serves what was served before at once, then looks at the repository. */
export async function startController(
  options: ControllerOptions,
  logger: FastifyBaseLogger,
): Promise<RunningController> {
  const database = await openStore({ ...(await databaseOf(options)), log: logger });
  try {
    return await startWith(database, options, logger);
  } catch (error) {
    // Its connections would keep the process.
    await database.close();
    throw error;
  }
}

async function startWith(
  database: Store,
  options: ControllerOptions,
  logger: FastifyBaseLogger,
): Promise<RunningController> {
  const { branch, directory, stateDirectory } = options;
  const now_ms = (): number => Date.now();
  const desiredState = await openDesiredState(options, { store: database, now_ms, log: logger });
  const { source } = desiredState;
  const identities = await controllerIdentities(stateDirectory, options.ageKey);
  await warnOfAnotherKey({ db: database.db, identities, log: logger });
  const versionKey = derive(database.masterKey, 'holdfast secret versions 1');
  const secrets = new SecretSources(new SecretsFile(options.secrets), identities, versionKey);
  logger.info({ recipient: secrets.recipient }, 'secrets in git are read that are encrypted to this recipient');
  const records = new HostRecords(database, logger);
  await records.open();
  const retention = { ...DEFAULT_RETENTION, history_ms: options.keepHistory_ms };
  const stopSweeping = sweepRegularly({ db: database.db, records, retention, now_ms, log: logger });
  const trust = await openTrust({ ...options, store: database, now_ms, log: logger });
  const names = serverNames(options.names, options.host);
  const certificate = await ServerCertificate.issue({ authority: trust.authority, names, now_ms });
  const waiters = new Waiters();
  const bells = new Bells({ waiters, mostHeld: options.heldRequests, mostWait_s: options.silentAfter_ms / 2000 });
  // Who comes from a bell to report would have a connection with TLS for as long as it waits.
  const newsFirst = new NewsFirst(() => waiters.letsGo && bells.count === 0);
  const statsd =
    options.statsd &&
    (await RolloutStatsd.open({ ...options.statsd, onError: (error) => logger.warn({ err: error }, 'statsd') }));
  const onState = (rollout: Rollout): void => {
    statsd?.tell(rollout);
    desiredState.tell(rollout);
  };
  const fleet = await openFleet({ store: database, records, waiters, now_ms, log: logger, onState });
  const { silentAfter_ms } = options;
  const hosts = new Hosts({ ...fleet, records, intake: () => intake, now_ms, silentAfter_ms });
  const refused = keepRefusals({ db: database.db, now_ms, log: logger });
  const intake: Intake = new Intake({
    source,
    directory,
    rollouts: fleet.rollouts,
    serving: fleet.serving,
    secrets,
    facts: () => hosts.facts(),
    now_ms,
    tell: (some) => waiters.release(some),
    refused,
    log: logger,
  });
  const app = buildApp({
    services: {
      ...fleet,
      intake,
      hosts,
      waiters,
      bells,
      newsFirst,
      trust,
      store: database,
      now_ms,
      desiredState,
      source: { repository: desiredState.shown, branch, directory },
    },
    logger,
    tls: certificate.context,
  });
  if (app.server instanceof Server) {
    makeHandshakesInTurns(app.server, { plain: (socket) => bells.take(socket) });
    const held = new HeldConnections(app.server, (socket) => newsFirst.read(socket));
    app.addHook('preClose', async () => {
      held.close();
      bells.close();
    });
  }
  const url = await app.listen({ host: options.host, port: options.port, backlog: BACKLOG });
  if (app.server instanceof Server) certificate.keepFresh(app.server, logger);
  logger.info({ names, pin: trust.authority.pin }, 'the controller is known by these names');
  await desiredState.start({ ...fleet, intake, trust, refused });
  return {
    url,
    async stop() {
      await desiredState.close();
      waiters.close();
      certificate.close();
      await app.close();
      await intake.idle();
      await fleet.close();
      await statsd?.close();
      await stopSweeping();
      await records.close();
      await database.close();
    },
  };
}

async function databaseOf({ databaseUrl, databaseUrlFile, masterKeyFile, stateDirectory }: ControllerOptions) {
  const key = { masterKeyFile: masterKeyFile ?? join(stateDirectory, 'master.key') };
  const url = databaseUrlFile === undefined ? databaseUrl : await readDatabaseUrl(databaseUrlFile);
  return url === undefined ? { ...key, path: join(stateDirectory, 'controller.db') } : { ...key, databaseUrl: url };
}

import type { ServerOptions } from 'node:https';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Bells } from './bells.ts';
import type { Fleet } from './fleet.ts';
import type { DesiredState } from './git/desired-state.ts';
import { isOfferedHeld } from './held-connections.ts';
import type { Hosts } from './hosts.ts';
import { HANDSHAKE_BOUND_MS, HEADERS_BOUND_MS, installLimits, REQUEST_BOUND_MS } from './http-limits.ts';
import type { Intake } from './intake/intake.ts';
import type { NewsFirst } from './news-first.ts';
import { openApi } from './openapi.ts';
import { frameworkProblem, installProblems } from './problem.ts';
import { historyRoutes } from './routes/history.ts';
import { manifestRoute } from './routes/manifest.ts';
import { pauseRoutes } from './routes/pause.ts';
import { planRoute } from './routes/plan.ts';
import { previewsRoute } from './routes/previews.ts';
import { reportsRoute } from './routes/reports.ts';
import { rolloutRoutes } from './routes/rollouts.ts';
import { statusRoutes } from './routes/status.ts';
import type { Store } from './store/database.ts';
import { type Authentication, installAuthentication } from './trust/authenticate.ts';
import { trustAdminRoutes } from './trust/routes/admin.ts';
import { enrollRoutes } from './trust/routes/enroll.ts';
import type { Trust } from './trust/trust.ts';
import type { Waiters } from './waiters.ts';

/** What the routes work with. */
export interface Services extends Omit<Fleet, 'close'> {
  readonly intake: Intake;
  readonly hosts: Hosts;
  readonly waiters: Waiters;
  readonly bells: Bells;
  readonly newsFirst: NewsFirst;
  readonly trust: Trust;
  /** What has happened. */
  readonly store: Pick<Store, 'db'>;
  readonly now_ms: () => number;
  /** Where revisions come from; it may have routes of its own. */
  readonly desiredState?: Pick<DesiredState, 'register'>;
  /** Shown in the status. */
  readonly source: { readonly repository: string; readonly branch: string; readonly directory: string };
}

export interface AppOptions {
  readonly services: Services;
  readonly logger?: FastifyBaseLogger;
  /** The controller's own certificate, and the authority whose certificates hosts show. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  /** What a connection proves of its other side; by TLS unless told. */
  readonly peerOf?: NonNullable<Authentication['peerOf']>;
}

/** Wires the HTTP interface; listens to nothing yet. */
export function buildApp({ services, logger, tls, peerOf }: AppOptions): FastifyInstance {
  const options = {
    ...(logger === undefined ? {} : { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true }),
    frameworkErrors: frameworkProblem,
    routerOptions: { maxParamLength: 253 },
    // Held requests end with `waiters.close()`; a connection without a request must not keep the process.
    forceCloseConnections: 'idle' as const,
    // A host name cannot need more, and a token neither.
    bodyLimit: 16 * 1024,
    requestTimeout: REQUEST_BOUND_MS,
    // One for each of thousands of held requests would tell them apart by a number that nobody else knows.
    childLoggerFactory: (parent: FastifyBaseLogger) => parent,
  };
  const app: FastifyInstance = tls === undefined ? fastify(options) : fastify({ ...options, https: secure(tls) });
  installProblems(app);
  installLimits(app);
  installAuthentication(app, { ...services.trust, ...(peerOf && { peerOf }) });
  const anyone = { config: { access: 'anyone' } } as const;
  app.get('/healthz', anyone, async (_request, reply) => {
    const { intake } = services;
    const status = intake.served === undefined ? 'starting' : 'ok';
    return reply
      .code(status === 'ok' ? 200 : 503)
      .send({ status, served: intake.served?.revision, trouble: intake.trouble });
  });
  app.get('/openapi.json', anyone, async () => openApi);
  const { intake, trust, now_ms } = services;
  enrollRoutes(app, { trust, now_ms, knows: (host) => (intake.wanted ?? intake.served) && intake.knows(host) });
  trustAdminRoutes(app, { trust, now_ms });
  manifestRoute(app, services);
  reportsRoute(app, services);
  previewsRoute(app, services);
  pauseRoutes(app, services);
  planRoute(app, services);
  rolloutRoutes(app, services);
  statusRoutes(app, services);
  historyRoutes(app, services);
  services.desiredState?.register(app, trust);
  return app;
}

function secure(tls: NonNullable<AppOptions['tls']>): ServerOptions {
  return {
    ...tls,
    // Operators have no certificate. What a host shows is looked at by authenticate.ts, which can say what is wrong with it.
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    // Without it each connection keeps a copy of a list of protocols, and with that the whole pool of buffers that it was cut from.
    ALPNCallback: ({ protocols }) => protocols.find((protocol) => protocol === 'http/1.1'),
    handshakeTimeout: HANDSHAKE_BOUND_MS,
    headersTimeout: HEADERS_BOUND_MS,
    connectionsCheckingInterval: 5_000,
    shouldUpgradeCallback: isOfferedHeld,
  };
}

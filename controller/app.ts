import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { requireToken } from './auth.ts';
import type { Hosts } from './hosts.ts';
import type { Intake } from './intake/intake.ts';
import { openApi } from './openapi.ts';
import { frameworkProblem, installProblems } from './problem.ts';
import { manifestRoute } from './routes/manifest.ts';
import { reportsRoute } from './routes/reports.ts';
import { statusRoutes } from './routes/status.ts';
import type { Waiters } from './waiters.ts';

/** What the routes work with. */
export interface Services {
  readonly intake: Intake;
  readonly hosts: Hosts;
  readonly waiters: Waiters;
  /** Shown in the status. */
  readonly source: { readonly repository: string; readonly branch: string; readonly directory: string };
}

export interface AppOptions {
  readonly services: Services;
  /** Without one, everybody who reaches the controller gets the manifests, and with them the secrets. */
  readonly token: string | undefined;
  readonly logger?: FastifyBaseLogger;
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Wires the HTTP interface; listens to nothing yet. */
export function buildApp({ services, token, logger, tls }: AppOptions): FastifyInstance {
  const options = {
    ...(logger === undefined ? {} : { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true }),
    frameworkErrors: frameworkProblem,
    routerOptions: { maxParamLength: 253 },
    // Held requests end with `waiters.close()`; a connection without a request must not keep the process.
    forceCloseConnections: 'idle' as const,
    // A host name cannot need more, and a token neither.
    bodyLimit: 16 * 1024,
  };
  const app: FastifyInstance = tls === undefined ? fastify(options) : fastify({ ...options, https: tls });
  installProblems(app);
  app.get('/healthz', async (_request, reply) => {
    const { intake } = services;
    const status = intake.served === undefined ? 'starting' : 'ok';
    return reply
      .code(status === 'ok' ? 200 : 503)
      .send({ status, served: intake.served?.revision, trouble: intake.trouble });
  });
  app.get('/openapi.json', async () => openApi);
  app.register(async (guarded) => {
    if (token !== undefined) guarded.addHook('onRequest', requireToken(token));
    manifestRoute(guarded, services);
    reportsRoute(guarded, services);
    statusRoutes(guarded, services);
  });
  return app;
}

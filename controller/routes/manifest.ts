import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Services } from '../app.ts';
import type { Intake } from '../intake/intake.ts';
import { Problem } from '../problem.ts';
import type { ServedHost } from '../store/served-store.ts';
import { MAX_WAIT_S } from '../waiters.ts';

interface Route {
  readonly Params: { readonly host: string };
  readonly Querystring: { readonly wait?: string };
}

/**
 * `GET /v1/hosts/:host/manifest`: the manifest with its ETag. With `If-None-Match` of the current one the answer is 304,
 * at once, or, with `?wait=SECONDS` or `Prefer: wait=SECONDS` (RFC 7240), once the manifest changes (200) or the time is
 * over (304). The ETag is weak: it stands for what the manifest means, whatever revision says so.
 */
export function manifestRoute(app: FastifyInstance, services: Services): void {
  app.get<Route>('/v1/hosts/:host/manifest', { config: { access: 'host' } }, async (request, reply) => {
    const { host } = request.params;
    services.hosts.seenIfKnown(host);
    const seconds = waitOf(request);
    if (seconds > 0) reply.header('preference-applied', `wait=${seconds}`);
    if (isCurrent(request, find(services, host)) && seconds > 0) {
      const wake = await services.waiters.wait(host, seconds, gone(reply));
      // A client that is told to come again while the server closes does so on a new connection.
      if (wake === 'closing') reply.header('connection', 'close');
      services.hosts.seenIfKnown(host);
    }
    return answer(request, withWanted(reply, services.intake), find(services, host));
  });
}

function find({ intake }: Services, host: string): ServedHost {
  const served = intake.served?.hosts.get(host);
  if (served !== undefined) return served;
  const reasons = intake.pending.get(host)?.reasons;
  if (reasons !== undefined || intake.knows(host) || intake.served === undefined) {
    throw new Problem({
      status: 503,
      title: 'No manifest yet',
      detail:
        reasons?.join('; ') ?? (intake.trouble?.message || 'no good revision has been taken in yet; see /v1/status'),
      headers: { 'retry-after': '5' },
    });
  }
  throw new Problem({
    status: 404,
    title: 'Unknown host',
    detail: `no file hosts/${host}.yaml in the desired state, revision ${intake.served.revision}`,
  });
}

function answer(request: FastifyRequest, reply: FastifyReply, served: ServedHost): FastifyReply {
  reply.headers({ etag: served.etag, 'cache-control': 'private, no-cache', 'holdfast-revision': served.revision });
  if (isCurrent(request, served)) return reply.code(304).send();
  return reply.type('application/json; charset=utf-8').send(served.text);
}

/** What is wanted where it is not what is served, and why, so that the host's own status can say so. */
function withWanted(reply: FastifyReply, { wanted, served, whyDifferent }: Intake): FastifyReply {
  if (whyDifferent === undefined || wanted === undefined || wanted.revision === served?.revision) return reply;
  // A header holds visible ASCII.
  const why = whyDifferent.replaceAll(/[^ -~]/g, '?');
  return reply.headers({ 'holdfast-wanted-revision': wanted.revision, 'holdfast-why-different': why });
}

/** `If-None-Match` compares weakly, whatever kind the ETags are of (RFC 9110, 13.1.2). */
function isCurrent(request: FastifyRequest, served: ServedHost): boolean {
  const given = request.headers['if-none-match'];
  if (given === undefined) return false;
  const tags = given.match(/(?:W\/)?"[^"]*"|\*/g) ?? [];
  return tags.some((tag) => tag === '*' || tag.replace('W/', '') === served.etag.replace('W/', ''));
}

function waitOf(request: FastifyRequest<Route>): number {
  const preferred = /(?:^|[,;\s])wait=(\d+)/i.exec(String(request.headers['prefer'] ?? ''))?.[1];
  const text = request.query.wait ?? preferred ?? '0';
  if (!/^\d{1,6}$/.test(text)) {
    throw new Problem({
      status: 400,
      title: 'Bad request',
      detail: `"wait" is a number of seconds, at most ${MAX_WAIT_S}`,
    });
  }
  return Math.min(Number(text), MAX_WAIT_S);
}

/** Aborted when the client goes away, so that nothing is kept for it. */
function gone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => controller.abort());
  return controller.signal;
}

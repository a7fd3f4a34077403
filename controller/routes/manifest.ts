import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { PauseState } from '../../desired-state/schema/report.ts';
import type { Services } from '../app.ts';
import { putAway, wokenBy } from '../held-connections.ts';
import { Problem } from '../problem.ts';
import type { ServedManifest } from '../store/served-tables.ts';
import { MAX_WAIT_S } from '../waiters.ts';

interface Route {
  readonly Params: { readonly host: string };
  readonly Querystring: { readonly wait?: string };
}

/**
 * `GET /v1/hosts/:host/manifest`: the manifest with its ETag, packed by gzip for who accepts that. With `If-None-Match` of
 * the current one the answer is 304, at once, or, with `?wait=SECONDS` or `Prefer: wait=SECONDS` (RFC 7240), once the
 * manifest changes (200) or the time is over (304). The ETag is weak: it stands for what the manifest means, whatever
 * revision says so, and however it is packed.
 *
 * Who offers `Upgrade: holdfast-held` with a request that may be held costs less memory meanwhile; see `HeldConnections`.
 *
 * Where enough requests are held, who says that it knows of them (`holdfast-accepts: bell`) is answered 304 at once, with
 * the token of a bell to wait at (`holdfast-bell`); see `Bells`.
 *
 * Beside that each answer tells of a pause that an operator has ordered (`holdfast-pause`) and of a newer revision that
 * the host does not get (`holdfast-wanted-revision`, `holdfast-why-different`). To an agent that accepts previews
 * (`holdfast-accepts: preview`) the answer may be a manifest that it shall only look at (`holdfast-preview: ID`).
 */
export function manifestRoute(app: FastifyInstance, services: Services): void {
  app.get<Route>('/v1/hosts/:host/manifest', { config: { access: 'host' } }, async (request, reply) => {
    const { host } = request.params;
    services.hosts.seenIfKnown(host);
    services.bells.heard(host);
    const seconds = waitOf(request);
    if (seconds > 0) reply.header('preference-applied', `wait=${seconds}`);
    let wake = wokenBy(request.raw);
    if (wake === undefined && seconds > 0 && isCurrent(request, find(services, host))) {
      if (await preview(request, reply, services)) return reply;
      // It may have changed while a preview was looked for: who waits now would wait for what comes after.
      if (knowsPause(request, services) && isCurrent(request, find(services, host))) {
        const bell = takesBell(request) ? services.bells.offer(host) : undefined;
        if (bell !== undefined) {
          if (request.principal.kind === 'host') services.trust.connections.add(request.principal.fingerprint, bell);
          reply.headers({ 'holdfast-bell': bell.token, connection: 'close' });
          return answer(request, tell(reply, services, host), services, find(services, host));
        }
        const away = putAway(request.raw);
        if (away !== undefined) {
          services.waiters.hold(host, seconds, away.connection, away.goOn);
          return reply.hijack();
        }
        wake = await services.waiters.wait(host, seconds, reply.raw);
        services.hosts.seenIfKnown(host);
      }
    }
    // A client that is told to come again while the server closes does so on a new connection.
    if (wake === 'closing') reply.header('connection', 'close');
    const served = find(services, host);
    if (isCurrent(request, served) && (await preview(request, reply, services))) return reply;
    return answer(request, tell(reply, services, host), services, served);
  });
}

function takesBell({ headers }: FastifyRequest): boolean {
  return /\bbell\b/.test(String(headers['holdfast-accepts'] ?? ''));
}

function find({ intake, serving, rollouts }: Services, host: string): ServedManifest {
  const served = serving.get(host);
  if (served !== undefined) return served;
  const reasons = intake.pending.get(host)?.reasons;
  if (reasons !== undefined || intake.knows(host) || intake.served === undefined) {
    throw new Problem({
      status: 503,
      title: 'No manifest yet',
      detail:
        rollouts.withheld(host)?.reason ??
        reasons?.join('; ') ??
        (intake.trouble?.message || 'no good revision has been taken in yet; see /v1/status'),
      headers: { 'retry-after': '5' },
    });
  }
  throw new Problem({
    status: 404,
    title: 'Unknown host',
    detail: `no file hosts/${host}.yaml in the desired state, revision ${intake.served.revision}`,
  });
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  { serving }: Services,
  served: ServedManifest,
): Promise<FastifyReply> {
  const { etag, newestRevision } = served;
  reply.headers({ etag, 'cache-control': 'private, no-cache', 'holdfast-revision': newestRevision });
  reply.header('vary', 'accept-encoding');
  if (isCurrent(request, served)) return reply.code(304).send();
  reply.type('application/json; charset=utf-8');
  if (!takesGzip(request)) return reply.send(await serving.text(served));
  return reply.header('content-encoding', 'gzip').send(await serving.packed(served));
}

/**
 * Sends a manifest to look at, where somebody wants to know what it would change here, and tells whether it did. (A reply
 * that a promise resolves to would be waited for: it is a promise itself.)
 */
async function preview(request: FastifyRequest<Route>, reply: FastifyReply, services: Services): Promise<boolean> {
  if (!/\bpreview\b/.test(String(request.headers['holdfast-accepts'] ?? ''))) return false;
  const { host } = request.params;
  const question = await services.previews.next(host);
  if (question === undefined) return false;
  tell(reply, services, host).headers({ 'cache-control': 'no-store', 'holdfast-preview': question.id });
  void reply.type('application/json; charset=utf-8').send(question.text);
  return true;
}

/** What is wanted where the host does not get it, and why, so that its own status can say so; and whether it is paused. */
function tell(reply: FastifyReply, { intake, rollouts, pauses }: Services, host: string): FastifyReply {
  reply.header('holdfast-pause', pauseHeader(pauses.get(host)));
  const { wanted, served, whyDifferent } = intake;
  const refused = whyDifferent !== undefined && wanted !== undefined && wanted.revision !== served?.revision;
  const withheld = refused
    ? { revision: wanted.revision, reason: whyDifferent, state: 'refused' }
    : rollouts.withheld(host);
  if (withheld === undefined) return reply;
  // A header holds visible ASCII.
  const why = withheld.reason.replaceAll(/[^ -~]/g, '?');
  return reply.headers({
    'holdfast-wanted-revision': withheld.revision,
    'holdfast-why-different': why,
    'holdfast-rollout-state': withheld.state,
  });
}

function pauseHeader(pause: PauseState | undefined): string {
  return pause === undefined ? 'none' : encodeURIComponent(JSON.stringify(pause));
}

/** An agent says which order it knows, so that one which was given between two requests is not kept from it. */
function knowsPause({ headers, params }: FastifyRequest<Route>, { pauses }: Services): boolean {
  const known = headers['holdfast-pause-known'];
  return known === undefined || known === String(pauses.get(params.host)?.since_ms ?? 'none');
}

/** `If-None-Match` compares weakly, whatever kind the ETags are of (RFC 9110, 13.1.2). */
function isCurrent(request: FastifyRequest, served: ServedManifest): boolean {
  const given = request.headers['if-none-match'];
  if (given === undefined) return false;
  const tags = given.match(/(?:W\/)?"[^"]*"|\*/g) ?? [];
  return tags.some((tag) => tag === '*' || tag.replace('W/', '') === served.etag.replace('W/', ''));
}

/** Who does not name it gets the text as it is; who names it with the weight 0 does not want it (RFC 9110, 12.5.3). */
function takesGzip({ headers }: FastifyRequest): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(headers['accept-encoding'] ?? '');
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

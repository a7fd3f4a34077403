import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as v from 'valibot';
import { parseDuration } from '../../../desired-state/schema/values.ts';
import { isHostName } from '../../compile/names.ts';
import { Problem } from '../../problem.ts';
import { parseBody } from '../parse-body.ts';
import { actorOf } from '../principal.ts';
import type { Trust } from '../trust.ts';

export interface TrustAdminParts {
  readonly trust: Trust;
  readonly now_ms: () => number;
}

const HOUR_MS = 3_600_000;
const DEFAULT_JOIN_MS = HOUR_MS;
const MAX_JOIN_MS = 30 * 24 * HOUR_MS;
const MAX_USES = 10_000;

const duration = (max_ms: number) =>
  v.pipe(
    v.string('expected a duration such as "1h" or "90d"'),
    v.regex(/^\d{1,6}(?:s|m|h|d)$/, 'expected a duration such as "1h" or "90d"'),
    v.transform(parseDuration),
    v.check(
      (value_ms) => value_ms > 0 && value_ms <= max_ms,
      `expected a duration of at most ${max_ms / (24 * HOUR_MS)}d`,
    ),
  );
const host = v.pipe(
  v.string('expected a host name'),
  v.check(isHostName, 'expected a host name of lower-case letters, digits, "-" and "."'),
);
const why = v.pipe(v.string('expected a reason'), v.trim(), v.nonEmpty('expected a reason'), v.maxLength(500));

const tokenSchema = v.strictObject({
  name: v.pipe(
    v.string('expected a name'),
    v.regex(/^[\w.@-]{1,64}$/, 'expected a name of letters, digits, ".", "_", "@" and "-"'),
  ),
  role: v.picklist(['read', 'deploy', 'admin'], 'expected "read", "deploy" or "admin"'),
  /** For ever where absent. */
  validFor: v.optional(duration(3650 * 24 * HOUR_MS)),
});
const joinSchema = v.strictObject({
  host: v.optional(host),
  validFor: v.optional(duration(MAX_JOIN_MS)),
  uses: v.optional(v.pipe(v.number('expected a number'), v.integer(), v.minValue(1), v.maxValue(MAX_USES))),
});
const revokeSchema = v.strictObject({ why });

type WithId = { Params: { readonly id: string } };

/** Tokens, join tokens and certificates, for administrators. A new token's text is in the answer to its making, and nowhere else. */
export function trustAdminRoutes(app: FastifyInstance, parts: TrustAdminParts): void {
  tokenRoutes(app, parts);
  joinTokenRoutes(app, parts);
  certificateRoutes(app, parts);
}

function tokenRoutes(app: FastifyInstance, { trust, now_ms }: TrustAdminParts): void {
  const admin = { config: { access: 'admin' } } as const;
  app.get('/v1/tokens', admin, async () => ({ tokens: await trust.tokens.list() }));

  app.post('/v1/tokens', admin, async (request, reply) => {
    const { name, role, validFor } = parseBody(tokenSchema, request.body);
    const expires_ms = validFor === undefined ? undefined : now_ms() + validFor;
    const { id, text } = await trust.tokens.create({ name, role, expires_ms, createdBy: actorOf(request.principal) });
    await record(request, trust, { action: 'token.create', subject: name, detail: { token: id, role, expires_ms } });
    return reply.code(201).header('cache-control', 'no-store').send({ id, name, role, expires_ms, token: text });
  });

  app.delete<WithId>('/v1/tokens/:id', admin, async (request) => {
    const { id } = request.params;
    const token = await trust.tokens.revoke(id);
    if (token === undefined) throw missing('token', id, '/v1/tokens');
    await record(request, trust, { action: 'token.revoke', subject: token.name, detail: { token: id } });
    return token;
  });
}

function joinTokenRoutes(app: FastifyInstance, { trust, now_ms }: TrustAdminParts): void {
  const admin = { config: { access: 'admin' } } as const;
  app.get('/v1/join-tokens', admin, async () => ({ joinTokens: await trust.joinTokens.list() }));

  app.post('/v1/join-tokens', admin, async (request, reply) => {
    const { host: only, validFor = DEFAULT_JOIN_MS, uses = 1 } = parseBody(joinSchema, request.body ?? {});
    const expires_ms = now_ms() + validFor;
    const createdBy = actorOf(request.principal);
    const { id, text } = await trust.joinTokens.create({ host: only, createdBy, expires_ms, uses });
    const subject = only ?? 'any host';
    await record(request, trust, { action: 'join-token.create', subject, detail: { token: id, uses, expires_ms } });
    return reply.code(201).header('cache-control', 'no-store').send({ id, host: only, uses, expires_ms, token: text });
  });

  app.delete<WithId>('/v1/join-tokens/:id', admin, async (request, reply) => {
    const { id } = request.params;
    if (!(await trust.joinTokens.revoke(id))) throw missing('join token', id, '/v1/join-tokens');
    await record(request, trust, { action: 'join-token.revoke', subject: id });
    return reply.code(204).send();
  });
}

function certificateRoutes(app: FastifyInstance, { trust }: TrustAdminParts): void {
  app.get<{ Querystring: { readonly host?: string } }>(
    '/v1/certificates',
    { config: { access: 'read' } },
    async (request) => ({ certificates: await trust.certificates.list(request.query.host) }),
  );

  const admin = { config: { access: 'admin' } } as const;
  app.post<WithId>('/v1/certificates/:id/revoke', admin, async (request) => {
    const { id } = request.params;
    const reason = parseBody(revokeSchema, request.body).why;
    const revoked = await trust.certificates.revoke(id, actorOf(request.principal), reason);
    if (revoked === undefined) throw missing('certificate', id, '/v1/certificates');
    const detail = { fingerprint: id, why: reason };
    await record(request, trust, { action: 'certificate.revoke', subject: revoked.host, detail });
    return revoked;
  });

  app.post<{ Params: { readonly name: string } }>('/v1/certificates/of/:name/revoke', admin, async (request) => {
    const { name } = request.params;
    const reason = parseBody(revokeSchema, request.body).why;
    const revoked = await trust.certificates.revokeHost(name, actorOf(request.principal), reason);
    const detail = { fingerprints: revoked, why: reason };
    await record(request, trust, { action: 'certificate.revoke', subject: name, detail });
    return { host: name, revoked };
  });
}

function record(
  request: FastifyRequest,
  trust: Trust,
  entry: { readonly action: string; readonly subject: string; readonly detail?: Readonly<Record<string, unknown>> },
): Promise<void> {
  return trust.audit.record({ actor: actorOf(request.principal), address: request.ip, ...entry });
}

function missing(what: string, id: string, list: string): Problem {
  return new Problem({ status: 404, title: 'Not found', detail: `there is no ${what} ${id}; GET ${list} lists them` });
}

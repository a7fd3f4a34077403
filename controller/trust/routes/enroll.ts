import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as v from 'valibot';
import { isHostName } from '../../compile/names.ts';
import { Problem } from '../../problem.ts';
import { refuse, tokenOf } from '../authenticate.ts';
import { BadRequestForCertificate, type IssuedCertificate } from '../authority.ts';
import type { JoinTokenCheck, JoinTokenView } from '../join-tokens.ts';
import { MACHINE_HEADER, MACHINE_ID, parseClaim } from '../machine.ts';
import { parseBody } from '../parse-body.ts';
import type { Trust } from '../trust.ts';

export interface EnrollParts {
  readonly trust: Trust;
  /** Whether git names the host; `undefined` while nobody knows yet. */
  readonly knows: (host: string) => boolean | undefined;
  readonly now_ms: () => number;
}

const csr = v.pipe(v.string(), v.maxLength(4096));
const enrollSchema = v.object({
  host: v.pipe(v.string(), v.check(isHostName, 'expected a host name of lower-case letters, digits, "-" and "."')),
  csr,
  machine: v.pipe(v.string(), v.regex(MACHINE_ID)),
});
const renewSchema = v.object({ csr });

/** A renewal is due once in two months; more than so many in an hour are a fault, and would fill the database. */
const RENEWALS_PER_HOUR = 10;
const HOUR_MS = 3_600_000;

/** `GET /v1/ca`, `POST /v1/enroll`, `POST /v1/hosts/:host/certificate`: how a machine becomes a host, and stays one. */
export function enrollRoutes(app: FastifyInstance, parts: EnrollParts): void {
  const { trust } = parts;
  // Public by nature; what makes an agent believe it is the pin in its join token.
  app.get('/v1/ca', { config: { access: 'anyone' } }, async (_request, reply) =>
    reply.type('application/x-pem-file').send(trust.authority.certificate),
  );

  app.post('/v1/enroll', { config: { access: 'anyone' } }, async (request, reply) => {
    const token = await joinTokenOf(request, trust);
    const { host, csr: asked, machine } = parseBody(enrollSchema, request.body);
    await checkCsr(trust, asked);
    await mayEnroll(request, parts, { token, host, machine });
    if (!(await trust.joinTokens.use(token.id)))
      await refuse(request, trust, badToken({ ok: false, why: 'used', id: token.id }));
    const replaced = await trust.certificates.revokeHost(host, 'controller', 'the host was enrolled again');
    const issued = await trust.certificates.issue(host, asked, machine);
    const detail = { token: token.id, fingerprint: issued.fingerprint, replaced };
    await trust.audit.record({ actor: `host:${host}`, address: request.ip, action: 'enroll', subject: host, detail });
    request.log.info({ host, address: request.ip, token: token.id, fingerprint: issued.fingerprint }, 'host enrolled');
    return reply.code(201).send(answer(trust, host, issued));
  });

  // What an enrolled machine asks before it enrols again.
  app.get('/v1/hosts/:host/certificate', { config: { access: 'host' } }, async ({ principal }) => principal);

  app.post<{ Params: { readonly host: string } }>(
    '/v1/hosts/:host/certificate',
    { config: { access: 'host' } },
    async (request, reply) => {
      const { host } = request.params;
      const claim = parseClaim(request.headers[MACHINE_HEADER]);
      const { csr: asked } = parseBody(renewSchema, request.body);
      if (claim === undefined)
        throw new Problem({ status: 400, title: 'Bad request', detail: 'the machine is not named' });
      await checkCsr(trust, asked);
      if ((await trust.certificates.issuedSince(host, parts.now_ms() - HOUR_MS)) >= RENEWALS_PER_HOUR) {
        throw new Problem({
          status: 429,
          title: 'Too many renewals',
          detail: `${host} has had ${RENEWALS_PER_HOUR} certificates within an hour; one lasts for months`,
          headers: { 'retry-after': '3600' },
        });
      }
      const issued = await trust.certificates.issue(host, asked, claim.id);
      const detail = { fingerprint: issued.fingerprint };
      await trust.audit.record({ actor: `host:${host}`, address: request.ip, action: 'renew', subject: host, detail });
      return reply.code(201).send(answer(trust, host, issued));
    },
  );
}

function answer(trust: Trust, host: string, issued: IssuedCertificate): object {
  const { pem: certificate, issued_ms, expires_ms } = issued;
  return { host, certificate, ca: trust.authority.certificate, issued_ms, expires_ms };
}

async function joinTokenOf(request: FastifyRequest, trust: Trust): Promise<JoinTokenView> {
  const text = tokenOf(request.headers.authorization);
  const check: JoinTokenCheck =
    text === undefined ? { ok: false, why: 'malformed' } : await trust.joinTokens.check(text);
  return check.ok ? check.token : refuse(request, trust, badToken(check));
}

const ANOTHER = 'an administrator makes another one by: holdfast token join';

function badToken({ why, id }: Extract<JoinTokenCheck, { readonly ok: false }>): Parameters<typeof refuse>[2] {
  const details = {
    malformed: 'send a join token as "Authorization: Bearer <token>": those begin with "hfj_"',
    unknown: `the controller does not know this join token: it was revoked, or is of another controller; ${ANOTHER}`,
    expired: `the join token has expired; ${ANOTHER}`,
    used: `the join token was used as often as it may be; ${ANOTHER}`,
  } as const;
  return { status: 401, code: `join-token-${why}`, detail: details[why], ...(id === undefined ? {} : { token: id }) };
}

async function mayEnroll(
  request: FastifyRequest,
  { trust, knows }: EnrollParts,
  { token, host, machine }: { readonly token: JoinTokenView; readonly host: string; readonly machine: string },
): Promise<void> {
  if (token.host === host) return;
  if (token.host !== null) {
    return refuse(request, trust, {
      status: 403,
      code: 'join-token-host',
      detail: `the join token is for ${token.host} alone; give --host ${token.host}, or have a token made for ${host}`,
      token: token.id,
    });
  }
  const known = knows(host);
  if (known === undefined) {
    throw new Problem({
      status: 503,
      title: 'No desired state yet',
      detail: 'the controller has not read the desired state yet, and does not know its hosts',
      headers: { 'retry-after': '5' },
    });
  }
  if (!known) {
    return refuse(request, trust, {
      status: 403,
      code: 'unknown-host',
      detail: `there is no file hosts/${host}.yaml in the desired state; push one, or have a join token made for ${host} alone`,
      token: token.id,
    });
  }
  // Whoever has a token for any host must not take the place, and the secrets, of one that is at work.
  const others = (await trust.certificates.machinesOf(host)).filter((one) => one !== machine);
  if (others.length === 0) return;
  return refuse(request, trust, {
    status: 409,
    code: 'host-taken',
    detail: `${host} is another machine already; to put this one in its place, have a join token made for it alone: holdfast token join --host ${host}`,
    token: token.id,
  });
}

async function checkCsr({ authority }: Trust, asked: string): Promise<void> {
  try {
    await authority.checkRequest(asked);
  } catch (error) {
    if (!(error instanceof BadRequestForCertificate)) throw error;
    throw new Problem({ status: 422, title: 'Not a request for a certificate', detail: `csr: ${error.message}` });
  }
}

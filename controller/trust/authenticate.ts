import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isHostName } from '../compile/names.ts';
import { wokenBy } from '../held-connections.ts';
import { Problem } from '../problem.ts';
import type { Audit } from './audit.ts';
import type { CertificateCheck, Certificates } from './certificates.ts';
import type { Connections } from './connections.ts';
import type { Failures } from './failures.ts';
import { MACHINE_HEADER, parseClaim } from './machine.ts';
import { type Access, actorOf, mayDo, type Principal } from './principal.ts';
import type { TokenCheck, Tokens } from './tokens.ts';

/** What the connection proves of its other side. */
export interface Peer {
  /** SHA-256 of the certificate's DER form, lower-case hex. */
  readonly fingerprint: string;
  /** Why it counts for nothing, such as `SELF_SIGNED_CERT`; absent where our authority has issued it. */
  readonly error?: string;
}

export interface Authentication {
  readonly tokens: Tokens;
  readonly certificates: Certificates;
  readonly failures: Failures;
  readonly audit: Audit;
  readonly connections: Connections;
  /** By TLS, unless told. */
  readonly peerOf?: (request: FastifyRequest) => Peer | undefined;
}

/** Part of every route that agents use. */
const HOST_ROUTE = '/v1/hosts/:host/';

/**
 * Sets `request.principal` before anything else happens to a request, by the `access` that its route declares. Call it
 * before the first route: one that declares none, or gives hosts what is not their own, throws as it is added.
 */
export function installAuthentication(app: FastifyInstance, authentication: Authentication): void {
  app.decorateRequest('principal');
  app.addHook('onRoute', ({ method, url, config }) => {
    const access = config?.access;
    if (access === undefined) throw new Error(`the route ${String(method)} ${url} declares no config.access`);
    if (access === 'host' && !url.startsWith(HOST_ROUTE)) {
      throw new Error(`the route ${String(method)} ${url} is for hosts, and not below ${HOST_ROUTE}`);
    }
  });
  app.addHook('onRequest', async (request) => {
    // What has no route is answered to everybody: /openapi.json tells of the routes anyhow.
    const access = request.is404 ? 'anyone' : request.routeOptions.config.access;
    request.principal = await principalOf(request, access ?? 'admin', authentication);
  });
}

function principalOf(request: FastifyRequest, access: Access, authentication: Authentication): Promise<Principal> {
  if (access === 'anyone') return Promise.resolve({ kind: 'anonymous' });
  return access === 'host' ? hostOf(request, authentication) : withRole(request, access, authentication);
}

async function hostOf(request: FastifyRequest, authentication: Authentication): Promise<Principal> {
  const { host: named } = request.params as { readonly host?: string };
  if (named === undefined || !isHostName(named)) {
    throw new Problem({ status: 400, title: 'Bad request', detail: 'the path names no host' });
  }
  const peer = (authentication.peerOf ?? peerByTls)(request);
  if (peer === undefined) {
    return refuse(request, authentication, {
      status: 401,
      code: 'no-certificate',
      detail: `this takes the certificate of ${named}; on it, run: ${ENROLL}`,
    });
  }
  if (peer.error !== undefined && peer.error !== 'CERT_HAS_EXPIRED') {
    return refuse(request, authentication, {
      status: 401,
      code: 'foreign-certificate',
      detail: `the certificate is none of this controller's (${peer.error}); on ${named}, run: ${ENROLL}`,
    });
  }
  const said = parseClaim(request.headers[MACHINE_HEADER]);
  // One that was held since says nothing of who is there now: a later start may have spoken meanwhile.
  const claim = said && wokenBy(request.raw) !== undefined ? { ...said, start: undefined } : said;
  const check = await authentication.certificates.check(peer.fingerprint, claim);
  if (!check.ok) {
    return refuse(request, authentication, { ...BAD_CERTIFICATE[check.why](check), proved: check.host });
  }
  const principal: Principal = { kind: 'host', host: check.host, fingerprint: peer.fingerprint };
  if (check.host === named) {
    authentication.connections.add(peer.fingerprint, request.raw.socket);
    return principal;
  }
  return refuse(request, authentication, {
    status: 403,
    code: 'other-host',
    detail: `the certificate is of ${check.host}, and a host reaches nothing but what is its own`,
    proved: check.host,
  });
}

const ENROLL = 'holdfast-agent enroll --join-token-file FILE';
const NEW_TOKEN = 'an administrator makes a join token by: holdfast token join --host';

type BadCertificate = Extract<CertificateCheck, { readonly ok: false }>;
type Refusal = Pick<RefusalOptions, 'status' | 'code' | 'detail'>;

const BAD_CERTIFICATE: Readonly<Record<BadCertificate['why'], (check: BadCertificate) => Refusal>> = {
  unknown: () => ({
    status: 401,
    code: 'unknown-certificate',
    detail: `the controller does not know the certificate; ${ENROLL}`,
  }),
  revoked: ({ host, reason }) => ({
    status: 403,
    code: 'certificate-revoked',
    detail: `the certificate of ${host} is revoked: ${reason}; if the host shall be managed again, enrol it: ${ENROLL} (${NEW_TOKEN} ${host})`,
  }),
  expired: ({ host }) => ({
    status: 403,
    code: 'certificate-expired',
    detail: `the certificate of ${host} has expired, so it cannot renew it by itself: ${ENROLL} (${NEW_TOKEN} ${host})`,
  }),
  'no-machine': () => ({
    status: 400,
    code: 'no-machine',
    detail: `the header ${MACHINE_HEADER} is missing or malformed: is the agent older than this controller?`,
  }),
  'other-machine': ({ host }) => ({
    status: 403,
    code: 'clone',
    detail: `the certificate of ${host} was given to another machine, of which this one is a copy; give it a name of its own in the desired state, and on it run: ${ENROLL} --host NAME`,
  }),
  'copied-machine': ({ host }) => ({
    status: 403,
    code: 'clone',
    detail: `two machines speak as ${host}, so neither is believed: one is a copy of the other; stop the copy or give it a name of its own, and enrol both: ${ENROLL} (${NEW_TOKEN} ${host})`,
  }),
};

async function withRole(
  request: FastifyRequest,
  access: Exclude<Access, 'anyone' | 'host'>,
  authentication: Authentication,
): Promise<Principal> {
  const text = tokenOf(request.headers.authorization);
  if (request.headers.authorization === undefined && request.routeOptions.config.challenges === true) {
    const headers = { 'www-authenticate': CHALLENGE };
    throw new Problem({ status: 401, title: TITLES[401], detail: 'a token is wanted, as the password', headers });
  }
  if (text === undefined) {
    return refuse(request, authentication, {
      status: 401,
      code: 'no-token',
      detail: 'send an operator\'s token as "Authorization: Bearer <token>", or as the password of HTTP Basic',
    });
  }
  const check = await authentication.tokens.check(text);
  if (!check.ok) {
    return refuse(request, authentication, {
      status: 401,
      code: `token-${check.why}`,
      detail: BAD_TOKEN[check.why],
      ...(check.id === undefined ? {} : { token: check.id }),
    });
  }
  const { id, name, role } = check.token;
  const principal: Principal = { kind: 'operator', id, name, role };
  if (mayDo(role, access)) return principal;
  return refuse(request, authentication, {
    status: 403,
    code: 'role',
    detail: `this takes the role ${access}, and the token "${name}" has the role ${role}`,
    principal,
  });
}

const BAD_TOKEN: Readonly<Record<Extract<TokenCheck, { readonly ok: false }>['why'], string>> = {
  malformed: 'this is no token of an operator: those begin with "hf_"',
  unknown: 'the controller does not know this token',
  expired: 'the token has expired; an administrator makes another one by: holdfast token create',
  revoked: 'the token was revoked; an administrator makes another one by: holdfast token create',
};

/** Bearer, or the password of Basic, whoever the user is called. */
export function tokenOf(header: string | undefined): string | undefined {
  const [, scheme = '', value = ''] = /^(Bearer|Basic) +(\S+)$/i.exec(header ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme === '') return undefined;
  const decoded = Buffer.from(value, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon < 0 || colon === decoded.length - 1 ? undefined : decoded.slice(colon + 1);
}

interface RefusalOptions {
  readonly status: 400 | 401 | 403 | 409;
  /** For programs: the agent keys its advice on it. */
  readonly code: string;
  readonly detail: string;
  /** The id of the token that was shown. */
  readonly token?: string;
  /** The host that a certificate of ours is of. */
  readonly proved?: string | undefined;
  readonly principal?: Principal;
}

/** Counts, logs and audits what was refused, never with a secret, and throws the problem. */
export async function refuse(
  request: FastifyRequest,
  { failures, audit }: Pick<Authentication, 'failures' | 'audit'>,
  { status, code, detail, token, proved, principal }: RefusalOptions,
): Promise<never> {
  const retryAfter_s = failures.count(request.ip);
  const subject = request.url.split('?', 1)[0]?.slice(0, 300) ?? '';
  if (retryAfter_s === undefined) {
    const actor = proved === undefined ? actorOf(principal ?? { kind: 'anonymous' }) : `host:${proved}`;
    const what = { code, method: request.method, ...(token === undefined ? {} : { token }) };
    request.log.warn({ address: request.ip, actor, path: subject, ...what }, 'refused');
    await audit
      .record({ actor, address: request.ip, action: 'refused', subject, detail: what })
      .catch((error: unknown) => request.log.error({ err: error }, 'the audit log cannot be written'));
  } else if (proved === undefined && principal === undefined) {
    throw new Problem({
      status: 429,
      title: 'Too many failed attempts',
      detail: `too many failed attempts from ${request.ip}; wait, and see that the credential is the right one`,
      headers: { 'retry-after': String(retryAfter_s) },
      extra: { code: 'rate-limited' },
    });
  }
  throw new Problem({
    status,
    title: TITLES[status],
    detail,
    extra: { code },
    headers: status === 401 ? { 'www-authenticate': CHALLENGE } : {},
  });
}

const CHALLENGE = 'Bearer realm="holdfast", Basic realm="holdfast"';

const TITLES = { 400: 'Bad request', 401: 'Unauthorized', 403: 'Forbidden', 409: 'Conflict' } as const;

const peers = new WeakMap<Socket, Peer>();

function peerByTls(request: FastifyRequest): Peer | undefined {
  const { socket } = request.raw;
  if (!(socket instanceof TLSSocket)) return undefined;
  const known = peers.get(socket);
  if (known !== undefined) return known;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const peer: Peer = {
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    // Node's type says Error; at run time it is the code as a text.
    ...(socket.authorized ? {} : { error: String(socket.authorizationError) }),
  };
  peers.set(socket, peer);
  return peer;
}

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../problem.ts';
import { type Forge, isForge } from './forge.ts';

export interface WebhookOptions {
  readonly secret: string;
  /** Looks at the repository again. */
  readonly look: () => void;
  /** A failed attempt; seconds to wait where there were too many. */
  readonly failed: (address: string) => number | undefined;
}

/** GitHub sends up to 25 MB; what a push was about is not read, so no more is taken than pushes have. */
const MOST_BYTES = 2 * 1024 * 1024;

/**
 * `POST /v1/webhooks/:forge`: a forge says that something was pushed. Nothing that it says is believed or even read: the
 * repository is looked at again, which also makes a replay harmless.
 */
export function webhookRoute(app: FastifyInstance, { secret, look, failed }: WebhookOptions): void {
  app.register(async (hooks) => {
    hooks.removeAllContentTypeParsers();
    hooks.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MOST_BYTES }, (_request, body, done) =>
      done(null, body),
    );
    hooks.post<{ Params: { forge: string } }>(
      '/v1/webhooks/:forge',
      { config: { access: 'anyone' }, bodyLimit: MOST_BYTES },
      async (request, reply) => {
        const { forge } = request.params;
        if (!isForge(forge)) {
          const detail = 'webhooks come to /v1/webhooks/github, /v1/webhooks/gitlab or /v1/webhooks/gitea';
          throw new Problem({ status: 404, title: 'Not found', detail });
        }
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        if (!isSigned(forge, { secret, body, headers: request.headers })) {
          const retryAfter_s = failed(request.ip);
          request.log.warn({ address: request.ip, forge }, 'webhook refused');
          throw new Problem({
            status: retryAfter_s === undefined ? 401 : 429,
            title: 'Unauthorized',
            detail: 'the webhook does not prove that it knows the secret of --webhook-secret-file',
            ...(retryAfter_s === undefined ? {} : { headers: { 'retry-after': String(retryAfter_s) } }),
          });
        }
        look();
        return reply.code(202).send({ status: 'looking' });
      },
    );
  });
}

/**
 * GitHub and Gitea sign the body (HMAC-SHA-256, `X-Hub-Signature-256: sha256=…` and `X-Gitea-Signature: …`, in hex);
 * GitLab sends the secret itself as `X-Gitlab-Token`. Compared in constant time. Pure.
 */
export function isSigned(
  forge: Forge,
  given: { readonly secret: string; readonly body: Buffer; readonly headers: FastifyRequest['headers'] },
): boolean {
  const header = (name: string): string => {
    const value = given.headers[name];
    return typeof value === 'string' ? value : '';
  };
  if (forge === 'gitlab') return isSame(header('x-gitlab-token'), given.secret);
  const wanted = createHmac('sha256', given.secret).update(given.body).digest('hex');
  if (forge === 'github') return isSame(header('x-hub-signature-256'), `sha256=${wanted}`);
  return isSame(header('x-gitea-signature') || header('x-forgejo-signature'), wanted);
}

/** Digests have the same length, whatever is given. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

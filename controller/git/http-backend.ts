import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../problem.ts';
import { actorOf, mayDo, operatorOf } from '../trust/principal.ts';
import { type CgiBounds, CgiFailed, runCgi } from './cgi.ts';
import { HOSTED_NAME, type HostedRepository, MOST_PUSH_BYTES } from './hosted-repository.ts';
import type { Pusher } from './ports.ts';

/** The pushes over HTTP that are under way, for the hooks: an id that cannot be guessed stands for who was let in. */
export class Pushes {
  readonly #open = new Map<string, Pusher>();

  begin(by: Pusher): string {
    const id = randomBytes(16).toString('hex');
    this.#open.set(id, by);
    return id;
  }

  end(id: string): void {
    this.#open.delete(id);
  }

  of(id: string): Pusher | undefined {
    return this.#open.get(id);
  }
}

export interface HttpBackendOptions {
  readonly repository: HostedRepository;
  readonly pushes: Pushes;
  /** Called when a request that may have moved a branch is over. */
  readonly pushed: () => void;
  readonly bounds?: Partial<Bounds>;
}

interface Bounds extends CgiBounds {
  readonly pushes: number;
  readonly fetches: number;
}

const BOUNDS: Bounds = {
  // One more than the pack may have, for the names of refs: the limit of the pack has the better message.
  body_bytes: MOST_PUSH_BYTES + 1024 * 1024,
  bodyIdle_ms: 30_000,
  // A push waits for its rollout; the hook lets go of it much earlier.
  whole_ms: 3_600_000,
  pushes: 16,
  fetches: 32,
};

/** Git's smart protocol over HTTP, in the three requests that it has; nothing else of the repository can be asked for. */
export function httpBackend(app: FastifyInstance, options: HttpBackendOptions): void {
  const bounds = { ...BOUNDS, ...options.bounds };
  const running = { pushes: 0, fetches: 0 };

  const handle = async (request: FastifyRequest, reply: FastifyReply, service: Service): Promise<void> => {
    const operator = operatorOf(request);
    const pushing = service === 'git-receive-pack';
    if (pushing && !mayDo(operator.role, 'deploy')) {
      const detail = `the token "${operator.name}" has the role ${operator.role}: pushing takes deploy`;
      throw new Problem({ status: 403, title: 'Forbidden', detail });
    }
    const sort = pushing ? 'pushes' : 'fetches';
    if (running[sort] >= bounds[sort]) {
      const detail = `${running[sort]} ${sort} are under way, which is all that this controller takes at once: try again`;
      throw new Problem({ status: 503, title: 'Busy', detail, headers: { 'retry-after': '5' } });
    }
    const posted = request.method === 'POST';
    // Asking for refs is over a moment after git has its answer, when the push itself may be here already: it takes no place of one.
    const place = pushing && posted ? 'pushes' : 'fetches';
    const by: Pusher = { actor: actorOf(operator), role: operator.role, address: request.ip };
    const push = options.pushes.begin(by);
    running[place] += 1;
    const [path = '', query = ''] = request.url.split('?', 2);
    reply.hijack();
    try {
      await runCgi(
        {
          root: dirname(options.repository.path),
          path,
          query,
          method: request.method,
          headers: request.headers,
          body: posted ? request.raw : undefined,
          user: by.actor,
          address: request.ip,
          push,
        },
        reply.raw,
        bounds,
      );
    } catch (error) {
      refuse(request, reply, error);
    } finally {
      running[place] -= 1;
      options.pushes.end(push);
      if (pushing && posted) options.pushed();
    }
  };

  app.register(async (git) => {
    // Bodies go to git as they come, whatever they are.
    git.removeAllContentTypeParsers();
    git.addContentTypeParser(/^application\/x-git-(?:upload|receive)-pack-request$/, (_request, _body, done) =>
      done(null),
    );
    // What is not the answer of git is a line of text: git prints it behind "remote:".
    git.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
      const status = error instanceof Problem ? error.status : (error.statusCode ?? 500);
      const headers = error instanceof Problem ? error.headers : {};
      if (status >= 500 && !(error instanceof Problem)) git.log.error({ err: error }, 'git request failed');
      return reply
        .code(status)
        .headers(headers)
        .type('text/plain; charset=utf-8')
        .send(
          `${status >= 500 && !(error instanceof Problem) ? 'the controller failed to answer; its log says why' : error.message}\n`,
        );
    });
    const bodyLimit = bounds.body_bytes;
    git.get<{ Querystring: { service?: string } }>(
      `/${HOSTED_NAME}/info/refs`,
      { config: { access: 'read', challenges: true } },
      async (request, reply) => {
        const { service } = request.query;
        if (service !== 'git-upload-pack' && service !== 'git-receive-pack') {
          const detail = 'only the smart protocol of git is spoken here: use git 1.7 or newer';
          throw new Problem({ status: 403, title: 'Forbidden', detail });
        }
        await handle(request, reply, service);
      },
    );
    git.post(
      `/${HOSTED_NAME}/git-upload-pack`,
      { config: { access: 'read', challenges: true }, bodyLimit },
      async (request, reply) => handle(request, reply, 'git-upload-pack'),
    );
    git.post(
      `/${HOSTED_NAME}/git-receive-pack`,
      { config: { access: 'deploy', challenges: true, bodyWithin_ms: BODY_WITHIN_MS }, bodyLimit },
      async (request, reply) => handle(request, reply, 'git-receive-pack'),
    );
  });
}

type Service = 'git-upload-pack' | 'git-receive-pack';

/** 64 MB over 2 Mbit/s. */
const BODY_WITHIN_MS = 300_000;

function refuse(request: FastifyRequest, reply: FastifyReply, error: unknown): void {
  const failed = error instanceof CgiFailed ? error : new CgiFailed(500, String(error));
  request.log.warn({ reason: failed.message, status: failed.status }, 'git request not answered');
  if (reply.raw.destroyed || reply.raw.headersSent) {
    reply.raw.destroy();
    return;
  }
  const text = failed.status >= 500 ? 'git failed to answer; the log of the controller says why' : failed.message;
  // The rest of the body is not read any more.
  reply.raw.writeHead(failed.status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  reply.raw.end(`${text}\n`);
}

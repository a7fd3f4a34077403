import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { closeAfterRefusal } from './http-limits.ts';
import { isDatabaseAway } from './store/away.ts';

/** An answer that is an error, as RFC 9457 has it. `detail` says what to do next. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly title: string;
  readonly extra: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(options: {
    readonly status: number;
    readonly title: string;
    readonly detail: string;
    readonly extra?: Readonly<Record<string, unknown>>;
    readonly headers?: Readonly<Record<string, string>>;
  }) {
    super(options.detail);
    this.status = options.status;
    this.title = options.title;
    this.extra = options.extra ?? {};
    this.headers = options.headers ?? {};
  }
}

/** Every error leaves as `application/problem+json`; one of our own making says nothing of its insides. */
export function installProblems(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) =>
    send(
      request,
      reply,
      new Problem({ status: 404, title: 'Not found', detail: `there is no ${request.method} ${pathOf(request)}` }),
    ),
  );
  app.setErrorHandler((error: FastifyError | Problem, request, reply) => {
    if (error instanceof Problem) return send(request, reply, error);
    const status = error.statusCode ?? 500;
    if (status >= 500) {
      request.log.error({ err: error }, 'request failed');
      if (isDatabaseAway(error)) return send(request, reply, databaseAway());
      const detail = 'the controller failed to answer; its log says why';
      return send(request, reply, new Problem({ status: 500, title: 'Internal error', detail }));
    }
    return send(request, reply, new Problem({ status, title: 'Bad request', detail: error.message }));
  });
}

function databaseAway(): Problem {
  const detail = 'the controller cannot reach its database; it takes this up again once it can';
  return new Problem({ status: 503, title: 'No database', detail, headers: { 'retry-after': '5' } });
}

/** For what fails before there is a route, such as a path that does not decode. */
export function frameworkProblem(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  send(request, reply, new Problem({ status: error.statusCode ?? 400, title: 'Bad request', detail: error.message }));
}

function send(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, title, message: detail, extra } = problem;
  const connection = closeAfterRefusal(request);
  if (connection !== undefined) reply.header('connection', connection);
  return reply
    .code(status)
    .headers(problem.headers)
    .type('application/problem+json')
    .send({ type: 'about:blank', title, status, detail, instance: pathOf(request), ...extra });
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? '/';
}

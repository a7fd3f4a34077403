import type { FastifyInstance } from 'fastify';
import * as v from 'valibot';
import { REPORT_LIMITS, reportSchema } from '../../desired-state/schema/report.ts';
import type { Services } from '../app.ts';
import { Problem } from '../problem.ts';
import { Replays } from '../trust/replays.ts';

/** `POST /v1/hosts/:host/reports`: what a run of the agent found and did, and the facts of its host. */
export function reportsRoute(app: FastifyInstance, { hosts, intake, newsFirst }: Services): void {
  const replays = new Replays();
  app.post<{ Params: { readonly host: string } }>(
    '/v1/hosts/:host/reports',
    {
      bodyLimit: REPORT_LIMITS.body_bytes,
      config: { access: 'host' },
      onRequest: ({ raw }) => newsFirst.turn(raw.socket),
    },
    async (request, reply) => {
      const { host } = request.params;
      if (!intake.knows(host)) {
        throw intake.wanted === undefined && intake.served === undefined
          ? new Problem({
              status: 503,
              title: 'No desired state yet',
              detail: intake.trouble?.message ?? 'the desired state has not been read yet',
              headers: { 'retry-after': '5' },
            })
          : new Problem({
              status: 404,
              title: 'Unknown host',
              detail: `no file hosts/${host}.yaml in the desired state`,
            });
      }
      const parsed = v.safeParse(reportSchema, request.body);
      if (!parsed.success) throw malformed(parsed.issues);
      if (parsed.output.host !== host) {
        throw new Problem({
          status: 422,
          title: 'Wrong host',
          detail: `the report is of host "${parsed.output.host}"`,
        });
      }
      if ((parsed.output.run?.resources.length ?? 0) > REPORT_LIMITS.resources) {
        throw new Problem({
          status: 413,
          title: 'Too large',
          detail: `more than ${REPORT_LIMITS.resources} resources`,
        });
      }
      const { sentAt_ms } = parsed.output;
      if (replays.isRepeated(host, sentAt_ms)) return reply.code(204).send();
      const { addressesChanged } = await hosts.report(parsed.output).catch((error: unknown) => {
        replays.forget(host, sentAt_ms);
        throw error;
      });
      // Not awaited: the agent has told what it had to tell. A refresh never rejects.
      if (addressesChanged) void intake.refreshFacts(host);
      return reply.code(204).send();
    },
  );
}

function malformed(issues: readonly v.BaseIssue<unknown>[]): Problem {
  const errors = issues
    .slice(0, 20)
    .map((issue) => ({ path: v.getDotPath(issue) ?? '', expected: issue.expected ?? 'another value' }));
  return new Problem({
    status: 422,
    title: 'Malformed report',
    detail: `${errors[0]?.path ?? ''}: expected ${errors[0]?.expected ?? 'another value'}`,
    extra: { errors },
  });
}

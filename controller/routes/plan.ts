import type { FastifyInstance } from 'fastify';
import * as v from 'valibot';
import type { Services } from '../app.ts';
import { formatIssue } from '../compile/issue.ts';
import { Problem } from '../problem.ts';
import { checked } from './checked.ts';

/** How long hosts are given to say what they would change, unless told. */
const BOUND_MS = 3_000;
const MOST_BOUND_MS = 60_000;

const planSchema = v.strictObject({
  revision: v.pipe(v.string(), v.regex(/^[0-9a-f]{40,64}$/, 'expected the whole name of a commit')),
  bound_ms: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(MOST_BOUND_MS)), BOUND_MS),
});

/** `POST /v1/plan`, `{"revision": "…"}`: what a revision would change on each host. Hosts are asked; nothing is changed. */
export function planRoute(app: FastifyInstance, { intake, planner }: Services): void {
  app.post('/v1/plan', { config: { access: 'read' } }, async (request, reply) => {
    const { revision, bound_ms } = checked(planSchema, request.body);
    const compilation = await intake.compileRevision(revision).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Problem({ status: 404, title: 'Unknown revision', detail: reason });
    });
    if (compilation.issues.length > 0) {
      const issues = compilation.issues.map((issue) => ({ ...issue, text: formatIssue(issue) }));
      throw new Problem({ status: 422, title: 'Broken revision', detail: issues[0]?.text ?? '', extra: { issues } });
    }
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    return { revision, hosts: await planner.plan(compilation, { bound_ms, signal: gone.signal }) };
  });
}

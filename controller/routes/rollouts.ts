import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as v from 'valibot';
import type { Services } from '../app.ts';
import { Problem } from '../problem.ts';
import type { Rollout, RolloutView } from '../rollout/model.ts';
import { actorOf, operatorOf } from '../trust/principal.ts';
import { checked } from './checked.ts';

const MOST_LISTED = 200;

const why = v.pipe(
  v.string('expected a reason'),
  v.trim(),
  v.nonEmpty('expected a reason'),
  v.maxLength(500, 'a reason has at most 500 characters'),
);
const listSchema = v.object({
  limit: v.optional(v.pipe(v.string(), v.regex(/^\d{1,3}$/, 'a number is expected')), '20'),
});
const orders = {
  resume: v.strictObject({ duringFreeze: v.optional(v.boolean(), false) }),
  pause: v.strictObject({ why }),
  abort: v.strictObject({ why, rollback: v.optional(v.boolean(), false) }),
};

/**
 * `GET /v1/rollouts`, `GET /v1/rollouts/:id` (`current` for the newest), and for the one that is under way
 * `POST /v1/rollouts/current/resume|pause|abort`.
 */
export function rolloutRoutes(app: FastifyInstance, { rollouts, trust }: Services): void {
  const read = { config: { access: 'read' } } as const;
  const deploy = { config: { access: 'deploy' } } as const;

  app.get('/v1/rollouts', read, async (request) => {
    const { limit } = checked(listSchema, request.query);
    return { rollouts: await rollouts.list(Math.min(Math.max(Number(limit), 1), MOST_LISTED)) };
  });

  app.get<{ Params: { readonly id: string } }>('/v1/rollouts/:id', read, async ({ params: { id } }) => {
    const known = id === 'current' ? rollouts.current?.rollout.id : Number(id);
    const view = known === undefined || !Number.isSafeInteger(known) ? undefined : await rollouts.view(known);
    if (view === undefined)
      throw new Problem({ status: 404, title: 'Unknown rollout', detail: `there is no rollout ${id}` });
    return withCounts(view);
  });

  const order = async (
    request: FastifyRequest,
    name: keyof typeof orders,
    rollout: Promise<Rollout>,
  ): Promise<object> => {
    const { id, revision, state } = await rollout;
    const { principal, ip: address, body } = request;
    const detail = { revision, ...(body !== null && typeof body === 'object' ? body : {}) };
    await trust.audit.record({
      actor: actorOf(principal),
      address,
      action: `rollout.${name}`,
      subject: String(id),
      detail,
    });
    return { id, revision, state, why: (await rollout).why };
  };
  app.post('/v1/rollouts/current/resume', deploy, async (request) => {
    const { duringFreeze: ignoreFreeze } = checked(orders.resume, request.body);
    return order(request, 'resume', rollouts.resume({ by: operatorOf(request).name, ignoreFreeze }));
  });
  app.post('/v1/rollouts/current/pause', deploy, async (request) => {
    const given = checked(orders.pause, request.body);
    return order(request, 'pause', rollouts.pause({ by: operatorOf(request).name, ...given }));
  });
  app.post('/v1/rollouts/current/abort', deploy, async (request) => {
    const given = checked(orders.abort, request.body);
    return order(request, 'abort', rollouts.abort({ by: operatorOf(request).name, ...given }));
  });
}

function withCounts({ rollout, hosts }: RolloutView): object {
  const counts: Record<string, number> = {};
  for (const { state } of hosts) counts[state] = (counts[state] ?? 0) + 1;
  return { ...rollout, counts, hosts };
}

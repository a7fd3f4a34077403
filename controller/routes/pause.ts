import type { FastifyInstance } from 'fastify';
import * as v from 'valibot';
import { duration } from '../../desired-state/schema/values.ts';
import type { Services } from '../app.ts';
import { Problem } from '../problem.ts';
import { MAX_PAUSE_MS } from '../rollout/pauses.ts';
import { actorOf, operatorOf } from '../trust/principal.ts';
import { checked } from './checked.ts';

interface Route {
  readonly Params: { readonly host: string };
}

const pauseSchema = v.strictObject({
  for: v.pipe(
    duration,
    v.minValue(1000, 'a pause lasts at least 1s'),
    v.maxValue(MAX_PAUSE_MS, 'a pause lasts at most 7d: pause again when that is over'),
  ),
  why: v.pipe(
    v.string('expected a reason'),
    v.trim(),
    v.nonEmpty('a pause needs a reason, for those who find the host paused'),
    v.maxLength(500, 'a reason has at most 500 characters'),
  ),
});

/**
 * `POST /v1/hosts/:host/pause`, `{"for": "1h", "why": "…"}`: its agent looks and reports, and applies nothing, until that
 * is over or `DELETE /v1/hosts/:host/pause`. The host hears of it at once, or when it next calls.
 */
export function pauseRoutes(app: FastifyInstance, { pauses, intake, trust }: Services): void {
  const deploy = { config: { access: 'deploy' } } as const;

  app.post<Route>('/v1/hosts/:host/pause', deploy, async (request) => {
    const { host } = request.params;
    if (!intake.knows(host)) {
      throw new Problem({
        status: 404,
        title: 'Unknown host',
        detail: `no file hosts/${host}.yaml in the desired state`,
      });
    }
    const { for: for_ms, why } = checked(pauseSchema, request.body);
    const pause = await pauses.set(host, { for_ms, why, by: operatorOf(request).name });
    const { principal, ip: address } = request;
    await trust.audit.record({ actor: actorOf(principal), address, action: 'pause', subject: host, detail: pause });
    return pause;
  });

  app.delete<Route>('/v1/hosts/:host/pause', deploy, async (request, reply) => {
    const { host } = request.params;
    const ended = await pauses.end(host);
    if (ended === undefined) {
      throw new Problem({ status: 404, title: 'Not paused', detail: `${host} is not paused through the controller` });
    }
    const { principal, ip: address } = request;
    await trust.audit.record({ actor: actorOf(principal), address, action: 'resume', subject: host });
    return reply.code(204).send();
  });
}

import type { FastifyInstance } from 'fastify';
import * as v from 'valibot';
import { PREVIEW_LIMITS, previewSchema } from '../../desired-state/schema/preview.ts';
import type { Services } from '../app.ts';
import { Problem } from '../problem.ts';

interface Route {
  readonly Params: { readonly host: string; readonly id: string };
}

/** `POST /v1/hosts/:host/previews/:id`: what the host would change if it were given the manifest that it was asked about. */
export function previewsRoute(app: FastifyInstance, { previews }: Services): void {
  app.post<Route>(
    '/v1/hosts/:host/previews/:id',
    { bodyLimit: PREVIEW_LIMITS.body_bytes, config: { access: 'host' } },
    async (request, reply) => {
      const { host, id } = request.params;
      const parsed = v.safeParse(previewSchema, request.body);
      if (!parsed.success || parsed.output.host !== host) {
        throw new Problem({ status: 422, title: 'Malformed preview', detail: 'expected what this host would change' });
      }
      if (!(await previews.answer(host, id, parsed.output))) {
        throw new Problem({ status: 404, title: 'Not asked', detail: 'nobody waits for this answer any more' });
      }
      return reply.code(204).send();
    },
  );
}

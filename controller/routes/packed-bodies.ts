import { gunzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../problem.ts';

/**
 * Lets the routes of this scope take JSON that is packed by gzip (`content-encoding: gzip`), as agents send it. What comes
 * out is bounded as what comes in: by the route's `bodyLimit`.
 */
export function takePackedBodies(scope: FastifyInstance): void {
  const parseJson = scope.getDefaultJsonParser('error', 'error');
  scope.removeContentTypeParser('application/json');
  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    try {
      // Its promise is of another way to use it: this one calls `done`.
      void parseJson(request, unpacked(request, body).toString('utf8'), done);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

function unpacked({ headers, routeOptions }: FastifyRequest, body: Buffer): Buffer {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip') {
    throw new Problem({
      status: 415,
      title: 'Unsupported content coding',
      detail: `expected the body as it is, or packed by gzip, and not by ${encoding}`,
      headers: { 'accept-encoding': 'gzip' },
    });
  }
  try {
    return gunzipSync(body, { maxOutputLength: routeOptions.bodyLimit });
  } catch (error) {
    if (error instanceof RangeError) {
      throw new Problem({
        status: 413,
        title: 'Too large',
        detail: `unpacked, it is larger than ${routeOptions.bodyLimit} bytes`,
      });
    }
    throw new Problem({ status: 400, title: 'Bad request', detail: 'the body cannot be unpacked: it is no gzip' });
  }
}

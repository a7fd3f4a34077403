import { trustPaths } from './trust/openapi.ts';
import { MAX_WAIT_S } from './waiters.ts';

const problem = {
  description: 'What is wrong and what to do next (RFC 9457).',
  content: { 'application/problem+json': {} },
};
const host = { name: 'host', in: 'path', required: true, schema: { type: 'string' } };
const json = (description: string): object => ({ description, content: { 'application/json': {} } });

/** The HTTP interface in OpenAPI, for people and for tools. */
export const openApi = {
  openapi: '3.1.0',
  info: { title: 'Holdfast controller', version: '1' },
  components: {
    securitySchemes: {
      token: { type: 'http', scheme: 'bearer', description: 'Of an operator: hf_<id>_<secret>.' },
      joinToken: { type: 'http', scheme: 'bearer', description: 'hfj_<id>_<secret>.' },
      certificate: { type: 'mutualTLS', description: 'Of the host in the path.' },
    },
  },
  security: [{ token: [] }],
  paths: {
    '/healthz': {
      get: {
        summary: 'Whether there is something to serve. Needs no token.',
        security: [],
        responses: { 200: json('Manifests are served.'), 503: json('No good revision has been taken in yet.') },
      },
    },
    ...trustPaths,
    '/v1/hosts/{host}/manifest': {
      get: {
        summary: 'The manifest of a host.',
        security: [{ certificate: [] }],
        parameters: [
          host,
          {
            name: 'If-None-Match',
            in: 'header',
            schema: { type: 'string' },
            description: 'ETag of the manifest that is known.',
          },
          {
            name: 'wait',
            in: 'query',
            schema: { type: 'integer', minimum: 0, maximum: MAX_WAIT_S },
            description:
              'Seconds to hold the request while the known manifest is the current one. Also: Prefer: wait=N.',
          },
        ],
        responses: {
          200: json('The manifest, with its secrets in clear.'),
          304: { description: 'The known manifest is the current one.' },
          401: problem,
          404: problem,
          503: problem,
        },
      },
    },
    '/v1/hosts/{host}/reports': {
      post: {
        summary: 'What a run of the agent found and did, and the facts of its host.',
        parameters: [host],
        requestBody: { required: true, content: { 'application/json': {} } },
        responses: { 204: { description: 'Kept.' }, 401: problem, 404: problem, 413: problem, 422: problem },
      },
    },
    '/v1/hosts/{host}': {
      get: {
        summary: 'What is known of a host, with its last report.',
        parameters: [host],
        responses: { 200: json('The host.'), 401: problem, 404: problem },
      },
    },
    '/v1/hosts': { get: { summary: 'All hosts.', responses: { 200: json('The hosts.'), 401: problem } } },
    '/v1/status': {
      get: {
        summary: 'The wanted and the served revision, why they differ, and the state of each host.',
        responses: { 200: json('The status.'), 401: problem },
      },
    },
    '/v1/refresh': {
      post: {
        summary: 'Looks at the repository now, and answers with what became of it.',
        responses: { 200: json('Revisions, issues, and the hosts whose manifest changed.'), 401: problem },
      },
    },
  },
} as const;

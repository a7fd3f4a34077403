import { MAX_WAIT_S } from '../waiters.ts';
import { MOST_PER_PAGE } from './page.ts';

const problem = {
  description: 'What is wrong and what to do next (RFC 9457).',
  content: { 'application/problem+json': {} },
};
const text = { type: 'string' };
const reason = { type: 'string', minLength: 1, maxLength: 500 };
const json = (description: string): object => ({ description, content: { 'application/json': {} } });
const body = (properties: Readonly<Record<string, object>>, required: readonly string[] = []): object => ({
  required: required.length > 0,
  content: { 'application/json': { schema: { type: 'object', properties, required, additionalProperties: false } } },
});
const inPath = (name: string): object => ({ name, in: 'path', required: true, schema: text });
const inQuery = (name: string, schema: object = text, description?: string): object => ({
  name,
  in: 'query',
  schema,
  ...(description === undefined ? {} : { description }),
});
const limit = inQuery('limit', { type: 'integer', minimum: 1, maximum: MOST_PER_PAGE });
const cursor = inQuery('cursor', text, '"next" of the page before.');
const refused = { 401: problem, 403: problem, 429: problem };
const deploy = { security: [{ token: ['deploy'] }] };
const admin = { security: [{ token: ['admin'] }] };
const ofHost = { security: [{ certificate: [] }] };
const ofAnyone = { security: [] };
const bound_ms = { type: 'integer', minimum: 0, maximum: 60_000 };
const planned = {
  200: json('By host: whether its agent has looked or manifests were compared, and the changes, with diffs.'),
  ...refused,
  422: problem,
};

/** What `routes/`, `app.ts` and `git/` offer, in OpenAPI. */
export const routePaths = {
  '/healthz': {
    get: {
      summary: 'Whether there is something to serve.',
      ...ofAnyone,
      responses: { 200: json('Manifests are served.'), 503: json('No good revision has been taken in yet.') },
    },
  },
  '/openapi.json': { get: { summary: 'This document.', ...ofAnyone, responses: { 200: json('OpenAPI 3.1.') } } },
  '/v1/status': {
    get: {
      summary: 'The wanted and the served revision, why they differ, and the state of each host.',
      responses: { 200: json('The status.'), ...refused },
    },
  },
  '/v1/refresh': {
    post: {
      summary: 'Looks at the repository now, and answers with what became of it.',
      ...deploy,
      responses: { 200: json('Revisions, issues, and the hosts whose manifest changed.'), ...refused },
    },
  },
  '/v1/hosts': { get: { summary: 'All hosts.', responses: { 200: json('The hosts.'), ...refused } } },
  '/v1/hosts/{host}': {
    get: {
      summary: 'What is known of a host, with its last report.',
      parameters: [inPath('host')],
      responses: { 200: json('The host.'), ...refused, 404: problem },
    },
  },
  '/v1/hosts/{host}/manifest': {
    get: {
      summary: 'The manifest of a host.',
      ...ofHost,
      parameters: [
        inPath('host'),
        { name: 'If-None-Match', in: 'header', schema: text, description: 'ETag of the manifest that is known.' },
        inQuery(
          'wait',
          { type: 'integer', minimum: 0, maximum: MAX_WAIT_S },
          'Seconds to hold the request while the known manifest is the current one. Also: Prefer: wait=N.',
        ),
      ],
      responses: {
        200: json('The manifest, with its secrets in clear; packed by gzip for who accepts that.'),
        304: {
          description: 'The known manifest is the current one.',
          headers: {
            'holdfast-bell': {
              description:
                'Where to wait without TLS, for who said "holdfast-accepts: bell": the request is not held. On a connection of its own to this port, say "holdfast-bell/1 TOKEN" and a line feed; "ok" follows, and "ring" when there may be news.',
              schema: text,
            },
          },
        },
        ...refused,
        404: problem,
        503: problem,
      },
    },
  },
  '/v1/hosts/{host}/reports': {
    post: {
      summary: 'What a run of the agent found and did, and the facts of its host.',
      ...ofHost,
      parameters: [inPath('host')],
      requestBody: { required: true, content: { 'application/json': {} } },
      responses: { 204: { description: 'Kept.' }, ...refused, 404: problem, 413: problem, 422: problem },
    },
  },
  '/v1/hosts/{host}/previews/{id}': {
    post: {
      summary: 'What the host would change if it were given the manifest that it was asked about.',
      ...ofHost,
      parameters: [inPath('host'), inPath('id')],
      requestBody: { required: true, content: { 'application/json': {} } },
      responses: { 204: { description: 'Taken.' }, ...refused, 404: problem, 422: problem },
    },
  },
  '/v1/hosts/{host}/pause': {
    post: {
      summary: 'Pauses the agent of a host: it looks and reports, and applies nothing.',
      ...deploy,
      parameters: [inPath('host')],
      requestBody: body({ for: { type: 'string', examples: ['1h'] }, why: reason }, ['for', 'why']),
      responses: { 200: json('The pause.'), ...refused, 404: problem, 422: problem },
    },
    delete: {
      summary: 'Ends the pause of a host.',
      ...deploy,
      parameters: [inPath('host')],
      responses: { 204: { description: 'Ended.' }, ...refused, 404: problem },
    },
  },
  '/v1/hosts/{host}/runs': {
    get: {
      summary: 'Runs of a host that changed or found something, the newest first.',
      parameters: [inPath('host'), limit, cursor],
      responses: { 200: json('A page of runs.'), ...refused, 404: problem, 422: problem },
    },
  },
  '/v1/runs': {
    get: {
      summary: 'Runs of all hosts that changed or found something, the newest first.',
      parameters: [limit, cursor],
      responses: { 200: json('A page of runs.'), ...refused, 422: problem },
    },
  },
  '/v1/runs/{id}': {
    get: {
      summary: 'A run, with what was not in order and the diffs of what it changed. Secrets are masked.',
      parameters: [inPath('id')],
      responses: { 200: json('The run.'), ...refused, 404: problem },
    },
  },
  '/v1/revisions': {
    get: {
      summary:
        'Revisions that were offered, the newest first: who brought them, and why they were refused. Pushes that were refused ' +
        'are listed, though their commits are not kept. Each of the `issues` has a `text`, and a `file` where it has a place.',
      parameters: [limit, cursor],
      responses: { 200: json('A page of revisions.'), ...refused, 422: problem },
    },
  },
  '/v1/audit': {
    get: {
      summary: 'Who did what, from where, and what was refused, the newest first.',
      ...admin,
      parameters: [limit, cursor, inQuery('actor'), inQuery('action'), inQuery('subject')],
      responses: { 200: json('A page of entries.'), ...refused, 422: problem },
    },
  },
  '/v1/plan': {
    post: {
      summary: 'What a revision would change on each host. Hosts are asked; nothing is changed.',
      requestBody: body({ revision: text, bound_ms }, ['revision']),
      responses: { ...planned, 404: problem },
    },
  },
  '/v1/plan/tree': {
    post: {
      summary: 'What a tree that nobody has committed would change on each host.',
      ...deploy,
      requestBody: body(
        {
          files: {
            type: 'object',
            description: 'By path: {"content": BASE64} or {"link": TARGET}.',
            additionalProperties: { type: 'object', properties: { content: text, link: text } },
          },
          bound_ms,
        },
        ['files'],
      ),
      responses: { ...planned, 413: problem },
    },
  },
  '/v1/rollouts': {
    get: {
      summary: 'Rollouts, the newest first.',
      parameters: [inQuery('limit', { type: 'integer', minimum: 1, maximum: 200 })],
      responses: { 200: json('The rollouts.'), ...refused, 422: problem },
    },
  },
  '/v1/rollouts/{id}': {
    get: {
      summary: 'A rollout with its hosts; "current" is the newest.',
      parameters: [inPath('id')],
      responses: { 200: json('The rollout.'), ...refused, 404: problem },
    },
  },
  '/v1/rollouts/current/resume': {
    post: {
      summary: 'Goes on in spite of what has failed so far, or of a freeze.',
      ...deploy,
      requestBody: body({ duringFreeze: { type: 'boolean' } }),
      responses: { 200: json('As it is now.'), ...refused, 409: problem, 422: problem },
    },
  },
  '/v1/rollouts/current/pause': {
    post: {
      summary: 'Gives the revision to nobody else until it is resumed.',
      ...deploy,
      requestBody: body({ why: reason }, ['why']),
      responses: { 200: json('As it is now.'), ...refused, 409: problem, 422: problem },
    },
  },
  '/v1/rollouts/current/abort': {
    post: {
      summary: 'Ends it; with "rollback", hosts that were given the revision get back what they had.',
      ...deploy,
      requestBody: body({ why: reason, rollback: { type: 'boolean' } }, ['why']),
      responses: { 200: json('As it is now.'), ...refused, 409: problem, 422: problem },
    },
  },
  '/v1/webhooks/{forge}': {
    post: {
      summary:
        'A forge says that something was pushed. It proves itself by its signature. Where a webhook secret is given.',
      ...ofAnyone,
      parameters: [inPath('forge')],
      requestBody: { required: true, content: {} },
      responses: { 202: json('It looks.'), 401: problem, 404: problem, 413: problem, 429: problem },
    },
  },
  '/desired-state.git/info/refs': {
    get: {
      summary: 'Git’s smart protocol over HTTP, where the controller hosts the repository: what there is.',
      parameters: [inQuery('service', { enum: ['git-upload-pack', 'git-receive-pack'] })],
      responses: { 200: { description: 'Refs, as git wants them.' }, 401: { description: 'A line of text.' } },
    },
  },
  '/desired-state.git/git-upload-pack': {
    post: { summary: 'A fetch by git.', responses: { 200: { description: 'As git wants it.' } } },
  },
  '/desired-state.git/git-receive-pack': {
    post: { summary: 'A push by git.', ...deploy, responses: { 200: { description: 'As git wants it.' } } },
  },
} as const;

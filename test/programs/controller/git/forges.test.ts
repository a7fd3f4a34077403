import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import fastify, { type FastifyInstance } from 'fastify';
import { sendStatus, statusRequest } from '../../../../controller/git/commit-status.ts';
import { type ForgeProject, projectOf } from '../../../../controller/git/forge.ts';
import { StatusReporter } from '../../../../controller/git/status-reporter.ts';
import { webhookRoute } from '../../../../controller/git/webhooks.ts';
import { installProblems } from '../../../../controller/problem.ts';
import { until } from '../bench.ts';

const SECRET = 'a-secret-of-the-webhook';
const BODY = JSON.stringify({ ref: 'refs/heads/main', commits: [] });
const HMAC = createHmac('sha256', SECRET).update(BODY).digest('hex');

function webhooks(context: TestContext): {
  readonly app: FastifyInstance;
  readonly looks: () => number;
  readonly failures: () => number;
} {
  const app = fastify();
  installProblems(app);
  let looks = 0;
  let failures = 0;
  webhookRoute(app, {
    secret: SECRET,
    look: () => {
      looks += 1;
    },
    failed: () => {
      failures += 1;
      return failures > 5 ? 6 : undefined;
    },
  });
  context.after(() => app.close());
  return { app, looks: () => looks, failures: () => failures };
}

const json = { 'content-type': 'application/json' };

test('a webhook that proves that it knows the secret makes the controller look, in the way of each forge', async (context) => {
  const { app, looks, failures } = webhooks(context);
  const send = async (forge: string, headers: Record<string, string>, body = BODY): Promise<number> =>
    (await app.inject({ method: 'POST', url: `/v1/webhooks/${forge}`, headers: { ...json, ...headers }, body }))
      .statusCode;
  assert.equal(await send('github', { 'x-hub-signature-256': `sha256=${HMAC}` }), 202);
  assert.equal(await send('gitea', { 'x-gitea-signature': HMAC }), 202);
  assert.equal(await send('gitlab', { 'x-gitlab-token': SECRET }), 202);
  const form = `payload=${encodeURIComponent(BODY)}`;
  const signature = `sha256=${createHmac('sha256', SECRET).update(form).digest('hex')}`;
  assert.equal(
    await send(
      'github',
      { 'content-type': 'application/x-www-form-urlencoded', 'x-hub-signature-256': signature },
      form,
    ),
    202,
  );
  assert.deepEqual([looks(), failures()], [4, 0]);
});

test('a webhook without the proof is refused, counted, and makes nobody look', async (context) => {
  const { app, looks, failures } = webhooks(context);
  const send = (forge: string, headers: Record<string, string>, body = BODY) =>
    app.inject({ method: 'POST', url: `/v1/webhooks/${forge}`, headers: { ...json, ...headers }, body });
  const refused: readonly (readonly [string, Record<string, string>, string?])[] = [
    ['github', {}],
    ['github', { 'x-hub-signature-256': `sha256=${HMAC}` }, `${BODY} `],
    ['github', { 'x-hub-signature-256': HMAC }],
    ['github', { 'x-gitlab-token': SECRET }],
    ['gitlab', { 'x-gitlab-token': `${SECRET}x` }],
    ['gitea', { 'x-gitea-signature': '' }],
  ];
  const answers = [];
  for (const [forge, headers, body] of refused) answers.push(await send(forge, headers, body));
  assert.deepEqual(
    answers.map(({ statusCode }) => statusCode),
    [401, 401, 401, 401, 401, 429],
  );
  assert.equal(
    answers.some(({ body }) => body.includes(SECRET)),
    false,
  );
  assert.equal(failures(), 6);
  assert.equal((await send('bitbucket', {})).statusCode, 404);
  const large = await send('github', {}, 'x'.repeat(3 * 1024 * 1024));
  assert.equal(large.statusCode, 413);
  assert.equal(looks(), 0);
});

test('the project of a forge is told by the URL that is fetched', () => {
  const of = (...args: Parameters<typeof projectOf>) => {
    const project = projectOf(...args);
    return project && `${project.api} ${project.path}`;
  };
  assert.equal(of('github', 'https://github.com/acme/infra.git'), 'https://api.github.com acme/infra');
  assert.equal(of('github', 'git@github.com:acme/infra.git'), 'https://api.github.com acme/infra');
  assert.equal(of('github', 'https://git.acme.example/acme/infra'), 'https://git.acme.example/api/v3 acme/infra');
  assert.equal(of('gitlab', 'https://x:y@gitlab.com/acme/team/infra.git'), 'https://gitlab.com/api/v4 acme/team/infra');
  assert.equal(
    of('gitea', 'ssh://git@git.acme.example:2222/acme/infra.git'),
    'https://git.acme.example/api/v1 acme/infra',
  );
  assert.equal(
    of('gitea', 'https://git.acme.example:3000/acme/infra'),
    'https://git.acme.example:3000/api/v1 acme/infra',
  );
  assert.equal(
    of('gitea', 'https://git.acme.example/acme/infra', 'http://10.0.0.1:3000/api/v1/'),
    'http://10.0.0.1:3000/api/v1 acme/infra',
  );
  assert.equal(of('github', '/srv/git/infra.git'), undefined);
  assert.equal(of('github', 'https://github.com/acme/../infra'), undefined);
});

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

/** A forge that keeps what it is told; the first answers have these statuses. */
async function startForge(
  context: TestContext,
  statuses: number[] = [],
): Promise<{ readonly api: string; readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += String(chunk);
    const { method = '', url = '', headers } = request;
    seen.push({ method, path: url, headers, body: JSON.parse(text) });
    const status = statuses.shift() ?? 201;
    response.writeHead(status, json).end('{"message":"no"}');
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  context.after(() => server.close());
  return { api: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const REVISION = 'c'.repeat(40);

test('each forge is told the status of a commit by the request that its API takes', async (context) => {
  const { api, seen } = await startForge(context);
  const tell = (project: Omit<ForgeProject, 'api'>, state: 'pending' | 'success' | 'failure') =>
    sendStatus(
      statusRequest({ ...project, api }, 'the-token', {
        revision: REVISION,
        state,
        description: `first\n${'x'.repeat(300)}`,
      }),
    );
  await tell({ kind: 'github', path: 'acme/infra' }, 'success');
  await tell({ kind: 'gitlab', path: 'acme/team/infra' }, 'failure');
  await tell({ kind: 'gitlab', path: 'acme/infra' }, 'pending');
  await tell({ kind: 'gitea', path: 'acme/infra' }, 'pending');
  assert.deepEqual(
    seen.map(({ method, path, body }) => ({ method, path, body })),
    [
      {
        method: 'POST',
        path: `/repos/acme/infra/statuses/${REVISION}`,
        body: { state: 'success', context: 'holdfast', description: 'first' },
      },
      {
        method: 'POST',
        path: `/projects/acme%2Fteam%2Finfra/statuses/${REVISION}`,
        body: { state: 'failed', name: 'holdfast', description: 'first' },
      },
      {
        method: 'POST',
        path: `/projects/acme%2Finfra/statuses/${REVISION}`,
        body: { state: 'running', name: 'holdfast', description: 'first' },
      },
      {
        method: 'POST',
        path: `/repos/acme/infra/statuses/${REVISION}`,
        body: { state: 'pending', context: 'holdfast', description: 'first' },
      },
    ],
  );
  assert.equal(seen[0]?.headers.authorization, 'Bearer the-token');
  assert.equal(seen[1]?.headers['private-token'], 'the-token');
  assert.equal(seen[3]?.headers.authorization, 'token the-token');
});

test('a forge that fails for a moment is told again, the same is told once, and the token is in no log', async (context) => {
  const { api, seen } = await startForge(context, [502]);
  const logged: string[] = [];
  const log = (details: object): void => void logged.push(JSON.stringify(details));
  const project = { kind: 'github', path: 'acme/infra', api } as const;
  const reporter = new StatusReporter({
    project,
    token: 'the-token',
    log: { info: log, warn: log, error: log },
    firstWait_ms: 10,
  });
  context.after(() => reporter.close());
  const status = { revision: REVISION, state: 'failure', description: 'broken' } as const;
  reporter.tell(status);
  reporter.tell(status);
  await until('it is told again', () => seen.length === 2);
  await reporter.close();
  assert.equal(seen.length, 2);
  assert.match(logged.join(), /the forge answered 502/);
  assert.doesNotMatch(logged.join(), /the-token/);
});

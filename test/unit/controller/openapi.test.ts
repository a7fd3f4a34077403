import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { openDesiredState } from '../../../controller/git/desired-state.ts';
import { openApi } from '../../../controller/openapi.ts';
import type { OperatorRole } from '../../../controller/store/tables.ts';
import { type Bench, startBench } from '../../programs/controller/bench.ts';
import { scratch, TestRepository } from '../../programs/controller/git.ts';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Operation {
  readonly method: HTTPMethods;
  readonly path: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
}

function operations(): readonly Operation[] {
  const found: Operation[] = [];
  for (const [path, methods] of Object.entries<object>(openApi.paths)) {
    for (const [method, operation] of Object.entries<Partial<Operation>>({ ...methods })) {
      const { security = openApi.security, parameters = [] } = operation;
      found.push({ method: method.toUpperCase(), path, security, parameters });
    }
  }
  return found;
}

/** A controller with all that it can have: the repository that it hosts, and webhooks, which come with one that it follows. */
async function withEverything(context: TestContext): Promise<Bench> {
  const repository = await TestRepository.create(context);
  const bench = await startBench(context, repository.path);
  const webhookSecretFile = join(await scratch(context), 'secret');
  await writeFile(webhookSecretFile, 'secret-of-webhooks\n');
  await chmod(webhookSecretFile, 0o600);
  const options = {
    branch: 'main',
    directory: 'desired-state',
    allowedSigners: undefined,
    forge: undefined,
    poll_ms: 3_600_000,
    webhookSecretFile,
  };
  const surroundings = { store: bench.store, now_ms: () => bench.clock.now_ms, log: quiet };
  for (const followed of [undefined, repository.path]) {
    const stateDirectory = join(await scratch(context), 'state');
    const desired = await openDesiredState({ ...options, repository: followed, stateDirectory }, surroundings);
    context.after(() => desired.close());
    desired.register(bench.app, bench.trust);
  }
  await bench.app.ready();
  return bench;
}

/** What fastify routes, as `METHOD /path/{name}`, read from the tree that it prints. */
function routesOf(app: FastifyInstance): readonly string[] {
  const found: string[] = [];
  const parts: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent, part = '', methods = ''] = /^([│ ├└─]*)(\S+)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? [];
    if (indent === undefined) continue;
    parts.splice(indent.length / 4 - 1, parts.length, part);
    const path = parts.join('').replaceAll(/:(\w+)/g, '{$1}');
    for (const method of methods.split(', ')) if (method !== '' && method !== 'HEAD') found.push(`${method} ${path}`);
  }
  return found.sort();
}

test('the OpenAPI document describes every route, and no other', async (context) => {
  const { app } = await withEverything(context);
  const routes = routesOf(app);
  assert.ok(routes.includes('GET /v1/hosts/{host}/manifest'), 'the tree of routes is not understood');
  assert.deepEqual(
    operations()
      .map(({ method, path }) => `${method} ${path}`)
      .sort(),
    routes,
  );
  for (const { method, path, parameters } of operations()) {
    const inPath = parameters.filter((one) => one.in === 'path').map(({ name }) => name);
    assert.deepEqual(
      inPath,
      [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
      `${method} ${path}`,
    );
  }
  const document = await app.inject('/openapi.json');
  assert.deepEqual(document.json(), JSON.parse(JSON.stringify(openApi)));
});

test('every route is refused to whom the document does not let in, as a problem', async (context) => {
  const { app, trust } = await withEverything(context);
  const roles = ['read', 'deploy', 'admin'] as const;
  const tokens = new Map<OperatorRole, string>();
  for (const role of roles) tokens.set(role, (await trust.tokens.create({ name: role, role, createdBy: 'test' })).text);
  let remoteAddress = 0;
  for (const { method, path, security } of operations()) {
    // From one address too many failures would be answered 429.
    remoteAddress += 1;
    const ask = (authorization?: string) =>
      app.inject({
        method,
        url: path.replaceAll(/\{(\w+)\}/g, 'x'),
        remoteAddress: `10.0.0.${remoteAddress}`,
        headers: authorization === undefined ? {} : { authorization },
      });
    const [wanted] = security;
    if (wanted === undefined || 'joinToken' in wanted) continue;
    const nobody = await ask();
    assert.equal(nobody.statusCode, 401, `${method} ${path} without a token`);
    if (!path.includes('.git/')) assert.match(String(nobody.headers['content-type']), /^application\/problem\+json/);
    if ('certificate' in wanted) {
      assert.equal((await ask(`Bearer ${tokens.get('admin')}`)).statusCode, 401, `${method} ${path} by a token`);
      continue;
    }
    const role = wanted['token']?.[0] ?? 'read';
    for (const lower of roles.slice(
      0,
      roles.findIndex((one) => one === role),
    )) {
      const answer = await ask(`Bearer ${tokens.get(lower)}`);
      assert.equal(answer.statusCode, 403, `${method} ${path} with the role ${lower}`);
    }
    if (path.includes('.git/')) continue;
    const allowed = await ask(`Bearer ${tokens.get(roles.find((one) => one === role) ?? 'read')}`);
    assert.ok(![401, 403].includes(allowed.statusCode), `${method} ${path} with the role ${role}: ${allowed.body}`);
  }
});

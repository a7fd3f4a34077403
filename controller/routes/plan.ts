import type { FastifyInstance, FastifyReply } from 'fastify';
import * as v from 'valibot';
import type { Services } from '../app.ts';
import type { Compilation } from '../compile/compile.ts';
import { formatIssue } from '../compile/issue.ts';
import { FOLDERS, LIMITS, type Tree, type TreeFile } from '../compile/tree.ts';
import { Problem } from '../problem.ts';
import { actorOf } from '../trust/principal.ts';
import { checked } from './checked.ts';

/** How long hosts are given to say what they would change, unless told. */
const BOUND_MS = 3_000;
const MOST_BOUND_MS = 60_000;
/** A tree that is sent; a larger one is pushed to `preview/NAME`. */
export const MOST_TREE_BYTES = 16 * 1024 * 1024;
const TREE_WITHIN_MS = 60_000;

const bound_ms = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(MOST_BOUND_MS)), BOUND_MS);
const planSchema = v.strictObject({
  revision: v.pipe(v.string(), v.regex(/^[0-9a-f]{40,64}$/, 'expected the whole name of a commit')),
  bound_ms,
});

const folders = FOLDERS.join('|');
const pathSchema = v.pipe(
  v.string(),
  v.regex(
    new RegExp(`^(?:${folders})(?:/(?!\\.{1,2}(?:/|$))[^/\\0]+)+$`),
    `expected a path below ${FOLDERS.join(', ')}`,
  ),
);
const fileSchema = v.union(
  [
    v.strictObject({ content: v.pipe(v.string(), v.regex(/^[\w+/]*={0,2}$/)) }),
    v.strictObject({ link: v.pipe(v.string(), v.maxLength(4096)) }),
  ],
  'expected {"content": BASE64} or {"link": TARGET}',
);
const treeSchema = v.strictObject({ files: v.record(pathSchema, fileSchema), bound_ms });

/**
 * `POST /v1/plan`, `{"revision": "…"}`: what a revision would change on each host. Hosts are asked; nothing is changed.
 * `POST /v1/plan/tree`, `{"files": {"roles/web.yaml": {"content": "BASE64"}}}`: the same of a tree that nobody has
 * committed. As a tree of one's own making can be told to show what is in a secret, that takes the role that pushes.
 */
export function planRoute(app: FastifyInstance, services: Services): void {
  const { intake, trust } = services;
  app.post('/v1/plan', { config: { access: 'read' } }, async (request, reply) => {
    const { revision, bound_ms: within_ms } = checked(planSchema, request.body);
    const compilation = await intake.compileRevision(revision).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Problem({ status: 404, title: 'Unknown revision', detail: reason });
    });
    return { revision, hosts: await plan(services, reply, compilation, within_ms) };
  });

  const options = { bodyLimit: MOST_TREE_BYTES, config: { access: 'deploy', bodyWithin_ms: TREE_WITHIN_MS } } as const;
  app.post('/v1/plan/tree', options, async (request, reply) => {
    const { files, bound_ms: within_ms } = checked(treeSchema, request.body);
    const { principal, ip: address } = request;
    await trust.audit.record({ actor: actorOf(principal), address, action: 'plan', subject: 'a tree' });
    const compilation = await intake.compile(treeOf(files), 'working tree');
    return { hosts: await plan(services, reply, compilation, within_ms) };
  });
}

async function plan(
  { planner }: Services,
  reply: FastifyReply,
  compilation: Compilation,
  within_ms: number,
): Promise<readonly object[]> {
  if (compilation.issues.length > 0) {
    const issues = compilation.issues.map((issue) => ({ ...issue, text: formatIssue(issue) }));
    throw new Problem({ status: 422, title: 'Broken revision', detail: issues[0]?.text ?? '', extra: { issues } });
  }
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return planner.plan(compilation, { bound_ms: within_ms, signal: gone.signal });
}

function treeOf(files: v.InferOutput<typeof treeSchema>['files']): Tree {
  const tree = new Map<string, TreeFile>();
  for (const [path, file] of Object.entries(files)) {
    if ('link' in file) {
      tree.set(path, { type: 'link', target: file.link });
      continue;
    }
    const content = Buffer.from(file.content, 'base64');
    const isTooLarge = content.length > LIMITS.fileBytes;
    const refused = { type: 'refused', reason: `larger than ${LIMITS.fileBytes} bytes` } as const;
    tree.set(path, isTooLarge ? refused : { type: 'file', content });
  }
  return tree;
}

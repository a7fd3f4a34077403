import type { FastifyInstance } from 'fastify';
import * as v from 'valibot';
import type { Services } from '../app.ts';
import { isHostName } from '../compile/names.ts';
import { Problem } from '../problem.ts';
import { refusalText } from '../source/refusal.ts';
import { listAudit } from '../store/audit.ts';
import { listRevisions } from '../store/revisions.ts';
import { listRuns, readRun } from '../store/runs.ts';
import { checked } from './checked.ts';
import { idSchema, limitSchema, pageOf, pageSchema } from './page.ts';

const REVISION_CURSOR = /^(\d{1,15})-([0-9a-f]{40,64})$/;
const word = v.pipe(v.string(), v.maxLength(300, 'at most 300 characters'));

const runsSchema = v.strictObject(pageSchema);
const revisionsSchema = v.strictObject({
  limit: limitSchema,
  cursor: v.optional(v.pipe(v.string(), v.regex(REVISION_CURSOR, 'expected "next" of the page before'))),
});
const auditSchema = v.strictObject({
  ...pageSchema,
  actor: v.optional(word),
  action: v.optional(word),
  subject: v.optional(word),
});

/**
 * What has happened, the newest first, page by page: `GET /v1/runs`, `GET /v1/hosts/:host/runs`, `GET /v1/runs/:id` with
 * what the run changed, `GET /v1/revisions`, and for administrators `GET /v1/audit`.
 */
export function historyRoutes(app: FastifyInstance, { store: { db }, intake, hosts }: Services): void {
  const read = { config: { access: 'read' } } as const;

  const runsOf = async (query: unknown, host?: string): Promise<object> => {
    const { limit, cursor } = checked(runsSchema, query);
    const found = await listRuns(db, {
      limit: limit + 1,
      ...(host === undefined ? {} : { host }),
      ...(cursor === undefined ? {} : { before: cursor }),
    });
    const { page, ...next } = pageOf(found, limit, ({ id }) => String(id));
    return { runs: page, ...next };
  };

  app.get('/v1/runs', read, async ({ query }) => runsOf(query));

  app.get<{ Params: { readonly host: string } }>('/v1/hosts/:host/runs', read, async ({ params: { host }, query }) => {
    // A host that git does not name any more has a history, too.
    if (!isHostName(host) || (!intake.knows(host) && hosts.record(host) === undefined)) {
      throw new Problem({
        status: 404,
        title: 'Unknown host',
        detail: `no file hosts/${host}.yaml in the desired state; GET /v1/hosts lists the hosts`,
      });
    }
    return runsOf(query, host);
  });

  app.get<{ Params: { readonly id: string } }>('/v1/runs/:id', read, async ({ params: { id } }) => {
    const parsed = v.safeParse(idSchema, id);
    const run = parsed.success ? await readRun(db, parsed.output) : undefined;
    if (run !== undefined) return run;
    const detail = `there is no run ${id}, or it is older than what is kept; GET /v1/runs lists them`;
    throw new Problem({ status: 404, title: 'Unknown run', detail });
  });

  app.get('/v1/revisions', read, async ({ query }) => {
    const { limit, cursor } = checked(revisionsSchema, query);
    const [, seen, revision] = REVISION_CURSOR.exec(cursor ?? '') ?? [];
    const before = revision === undefined ? undefined : { seen_ms: Number(seen), revision };
    const found = await listRevisions(db, limit + 1, before);
    const { page, ...next } = pageOf(found, limit, (last) => `${last.seen_ms}-${last.revision}`);
    const revisions = page.map(({ issues, ...rest }) => ({
      ...rest,
      issues: issues.map((issue) => ({ ...issue, text: refusalText(issue) })),
    }));
    return { revisions, ...next };
  });

  app.get('/v1/audit', { config: { access: 'admin' } }, async ({ query }) => {
    const { limit, cursor, actor, action, subject } = checked(auditSchema, query);
    const found = await listAudit(db, {
      limit: limit + 1,
      ...(cursor === undefined ? {} : { before: cursor }),
      ...(actor === undefined ? {} : { actor }),
      ...(action === undefined ? {} : { action }),
      ...(subject === undefined ? {} : { subject }),
    });
    const { page, ...next } = pageOf(found, limit, ({ id }) => String(id));
    return { audit: page, ...next };
  });
}

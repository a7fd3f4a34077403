import type { FastifyInstance } from 'fastify';
import type { Services } from '../app.ts';
import { formatIssue } from '../compile/issue.ts';
import type { Intake } from '../intake/intake.ts';
import { Problem } from '../problem.ts';

/** How long `POST /v1/refresh` waits for the repository. */
const REFRESH_BOUND_MS = 60_000;

/** `GET /v1/status`, `GET /v1/hosts`, `GET /v1/hosts/:host`, `POST /v1/refresh`: for operators, and for hooks of git. */
export function statusRoutes(app: FastifyInstance, services: Services): void {
  const { intake, hosts, source } = services;
  const read = { config: { access: 'read' } } as const;
  app.get('/v1/status', read, async () => ({
    source,
    ...intakeStatus(intake),
    hosts: hosts.statuses(),
    held: services.waiters.count - services.bells.count,
    atBells: services.bells.count,
  }));

  app.get('/v1/hosts', read, async () => ({ hosts: hosts.statuses() }));

  app.get<{ Params: { readonly host: string } }>('/v1/hosts/:host', read, async (request) => {
    const { host } = request.params;
    const record = hosts.record(host);
    if (!intake.knows(host) && record === undefined) {
      throw new Problem({
        status: 404,
        title: 'Unknown host',
        detail: `no file hosts/${host}.yaml in the desired state`,
      });
    }
    return { ...hosts.status(host), addresses: record?.addresses ?? [], report: await hosts.lastReport(host) };
  });

  app.post('/v1/refresh', { config: { access: 'deploy' } }, async () => {
    const outcome = await within(REFRESH_BOUND_MS, intake.refresh());
    return { ...intakeStatus(intake), changed: outcome?.changed ?? [] };
  });
}

function intakeStatus(intake: Intake): object {
  const { wanted, served, trouble, pending, lastLook_ms } = intake;
  return {
    wanted: wanted && { revision: wanted.revision, seen_ms: wanted.seen_ms, refused: wanted.issues.length > 0 },
    served: served && { revision: served.revision, sequence: served.sequence, since_ms: served.since_ms },
    whyDifferent: intake.whyDifferent,
    trouble,
    lastLook_ms,
    issues: (wanted?.issues ?? []).map((issue) => ({ ...issue, text: formatIssue(issue) })),
    pending: [...pending.values()],
    secrets: intake.secretsProblem === undefined ? undefined : { problem: intake.secretsProblem },
    secretRecipient: intake.recipient,
  };
}

async function within<T>(bound_ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, bound_ms, undefined);
  });
  return Promise.race([promise, bound]).finally(() => clearTimeout(timer));
}

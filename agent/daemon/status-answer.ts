import type { Problems } from './problems.ts';
import type { Runs } from './runs.ts';
import { revisionsOf, type Snapshot } from './snapshot.ts';
import type { AgentStatus, CertificateView } from './status.ts';
import type { Triggers } from './triggers.ts';

export interface StatusSources {
  readonly started_ms: number;
  readonly triggers: Pick<Triggers, 'running' | 'next_ms'>;
  readonly runs: Pick<Runs, 'last' | 'error' | 'sign' | 'resources'>;
  readonly problems: Problems;
  readonly nextRetry_ms: number | undefined;
  readonly certificate: CertificateView | undefined;
}

/** All that the agent says of itself, for people and for their tools. */
export function statusOf(snapshot: Snapshot, sources: StatusSources): AgentStatus {
  const { host, agentVersion, verdict, manifest, controller, pause } = snapshot;
  const { started_ms, triggers, runs, problems, nextRetry_ms, certificate } = sources;
  const { running, next_ms } = triggers;
  const { last, error, sign } = runs;
  return {
    host,
    agentVersion,
    pid: process.pid,
    started_ms,
    verdict,
    ...(manifest === undefined
      ? {}
      : { mode: manifest.mode, environment: manifest.environment, roles: manifest.roles }),
    revision: revisionsOf(snapshot),
    controller,
    ...(certificate === undefined ? {} : { certificate }),
    ...(pause === undefined ? {} : { pause }),
    run: {
      ...(running === undefined
        ? {}
        : { current: { ...running, ...(sign.doing === undefined ? {} : { doing: sign.doing }) } }),
      ...(last === undefined ? {} : { last }),
      ...(error === undefined ? {} : { error }),
      ...(next_ms === undefined ? {} : { next_ms }),
      ...(nextRetry_ms === undefined ? {} : { nextRetry_ms }),
    },
    resources: runs.resources(),
    problems: problems.all,
  };
}

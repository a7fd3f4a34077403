import type { Report } from '../../../../desired-state/schema/report.ts';

type Run = NonNullable<Report['run']>;
type Status = Run['resources'][number]['status'];

export function reportOf(host: string, more: Partial<Report> = {}): Report {
  return { host, agentVersion: '0.1.0', sentAt_ms: 1, mode: 'enforce', past: [], pastDropped: 0, ...more };
}

/** A run with these services and what became of them. */
export function runOf(
  revision: string,
  services: Readonly<Record<string, Status>>,
  started_ms = 1,
  diff = '-a\n+b',
): Run {
  const resources = Object.entries(services).map(([name, status]) => ({
    kind: 'services',
    name,
    status,
    ...(status === 'failed' ? { error: `no ${name}` } : {}),
    ...(status === 'changed' || status === 'drifted'
      ? { changes: [{ summary: `${name} changed`, diff, hazard: 'none' as const, outcome: 'applied' as const }] }
      : {}),
  }));
  return { revision, dryRun: false, started_ms, duration_ms: 20, resources };
}

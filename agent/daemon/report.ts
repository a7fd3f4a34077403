import {
  type PastEntry,
  REPORT_LIMITS,
  type Report,
  type ReportedResource,
} from '../../desired-state/schema/report.ts';
import { type ChangeResult, type ResourceResult, type RunResult, refText } from '../engine/types.ts';
import { revisionsOf, type Snapshot } from './snapshot.ts';

/** Engine results and the agent's own state in the words of the wire, bounded. Pure. */

export type ReportHead = Omit<Report, 'run' | 'past' | 'pastDropped' | 'sentAt_ms'>;

/** Everything of a report that is not about runs. */
export function reportHead(snapshot: Snapshot, facts: Report['facts']): ReportHead {
  const { host, agentVersion, manifest, pause, controller } = snapshot;
  const { running, wanted, whyDifferent } = revisionsOf(snapshot);
  const refused = controller.refused?.reason;
  return {
    host,
    agentVersion,
    mode: manifest?.mode ?? 'report',
    ...(pause === undefined ? {} : { pause }),
    ...(running === undefined ? {} : { runningRevision: running }),
    ...(wanted === undefined ? {} : { wantedRevision: wanted }),
    ...(whyDifferent === undefined ? {} : { whyDifferent: cut(whyDifferent) }),
    ...(refused === undefined ? {} : { refused: cut(refused) }),
    facts,
  };
}

export function reportedResource(result: ResourceResult): ReportedResource {
  const { kind, name, status, cause, changes, error, blockedBy, retryAt_ms } = result;
  return {
    kind,
    name,
    status,
    ...(cause === undefined ? {} : { cause }),
    ...(changes.length === 0 ? {} : { changes: changes.slice(0, REPORT_LIMITS.changes).map(reportedChange) }),
    ...(error === undefined ? {} : { error: cut(error) }),
    ...(blockedBy === undefined ? {} : { blockedBy: refText(blockedBy) }),
    ...(retryAt_ms === undefined ? {} : { retryAt_ms }),
  };
}

function reportedChange({
  summary,
  diff,
  hazard,
  outcome,
}: ChangeResult): NonNullable<ReportedResource['changes']>[number] {
  return { summary: cut(summary), ...(diff === undefined ? {} : { diff: cut(diff) }), hazard, outcome };
}

export function cut(text: string): string {
  const { text_characters: limit } = REPORT_LIMITS;
  return text.length <= limit ? text : `${text.slice(0, limit)}…`;
}

/** What a run did or failed to do, worth telling though a later run may have mended it. */
export function noteworthy({ started_ms, revision, resources }: RunResult): PastEntry[] {
  return resources
    .filter(
      ({ status, changes }) =>
        status === 'failed' || status === 'stalled' || (status === 'changed' && changes.length > 0),
    )
    .map((result) => ({ at_ms: started_ms, revision, resource: reportedResource(result) }));
}

/**
 * What makes one run's result another's equal as far as a reader is concerned: times and the retry that is due do not
 * count. A status `changed` is the same as `converged` one run later, and is told by `past`.
 */
export function outcomeKey({ revision, sequence, dryRun, resources }: RunResult): string {
  const parts = resources
    .filter(({ status }) => status !== 'converged' && status !== 'changed')
    .map(({ kind, name, status, changes, error }) => [
      kind,
      name,
      status,
      changes.map(({ summary }) => summary),
      error,
    ]);
  return JSON.stringify([revision, sequence, dryRun, resources.length, parts]);
}

/** The report itself where it is not too large; otherwise without diffs, and in the end without what is past. */
export function fit(report: Report): Report {
  if (sizeOf(report) <= REPORT_LIMITS.body_bytes) return report;
  const bare: Report = {
    ...report,
    ...(report.run === undefined ? {} : { run: { ...report.run, resources: report.run.resources.map(withoutTexts) } }),
    past: report.past.map((entry) => ({ ...entry, resource: withoutTexts(entry.resource) })),
  };
  if (sizeOf(bare) <= REPORT_LIMITS.body_bytes) return bare;
  return { ...bare, past: [], pastDropped: bare.pastDropped + bare.past.length };
}

const SHORT_CHARACTERS = 300;

function withoutTexts({ changes, error, ...rest }: ReportedResource): ReportedResource {
  return {
    ...rest,
    ...(changes === undefined
      ? {}
      : {
          changes: changes
            .slice(0, 3)
            .map(({ summary, hazard, outcome }) => ({ summary: summary.slice(0, SHORT_CHARACTERS), hazard, outcome })),
        }),
    ...(error === undefined ? {} : { error: error.slice(0, SHORT_CHARACTERS) }),
  };
}

function sizeOf(report: Report): number {
  return Buffer.byteLength(JSON.stringify(report));
}

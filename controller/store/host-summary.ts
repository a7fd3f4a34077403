import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { Report, ReportedResource } from '../../desired-state/schema/report.ts';

/** Texts in a summary are cut to this: it is kept in memory for every host. */
const TEXT_CHARACTERS = 300;

const text = v.pipe(v.string());

const summarySchema = v.object({
  sentAt_ms: v.number(),
  agentVersion: text,
  mode: text,
  runningRevision: v.optional(text),
  whyDifferent: v.optional(text),
  refused: v.optional(text),
  pause: v.optional(v.object({ by: text, why: text, since_ms: v.number(), until_ms: v.number() })),
  run: v.optional(
    v.object({
      revision: text,
      /** Of the manifest that it was about. */
      sequence: v.optional(v.number()),
      dryRun: v.boolean(),
      started_ms: v.number(),
      duration_ms: v.number(),
      /** How many resources have which status. */
      counts: v.record(v.string(), v.number()),
      /** The first resource that failed or is stalled, and why. */
      broken: v.optional(text),
      /** The first one that drifted, and how. */
      drifted: v.optional(text),
      /** The first one that is waiting or blocked. */
      open: v.optional(text),
      /** The same for runs in which the same resources had the same status for the same reason. */
      outcome: text,
    }),
  ),
});

/** A report in short: what a list of hosts shows and a rollout decides by. */
export type HostSummary = v.InferOutput<typeof summarySchema>;

export function summaryOf(report: Report): HostSummary {
  const { sentAt_ms, agentVersion, mode, runningRevision, whyDifferent, refused, pause, run } = report;
  return {
    sentAt_ms,
    agentVersion,
    mode,
    ...(runningRevision === undefined ? {} : { runningRevision }),
    ...(whyDifferent === undefined ? {} : { whyDifferent: cut(whyDifferent) }),
    ...(refused === undefined ? {} : { refused: cut(refused) }),
    ...(refused === undefined ? {} : { refused: cut(refused) }),
    ...(pause === undefined ? {} : { pause: { ...pause, why: cut(pause.why) } }),
    ...(run === undefined ? {} : { run: summaryOfRun(run) }),
  };
}

/** `undefined` for what another version has written and this one does not know. */
export function parseSummary(json: string): HostSummary | undefined {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), summarySchema), json);
  return parsed.success ? parsed.output : undefined;
}

function summaryOfRun({ revision, sequence, dryRun, started_ms, duration_ms, resources }: NonNullable<Report['run']>) {
  const counts: Record<string, number> = {};
  for (const { status } of resources) counts[status] = (counts[status] ?? 0) + 1;
  const broken = resources.find(({ status }) => status === 'failed' || status === 'stalled');
  const open = resources.find(({ status }) => status === 'waiting' || status === 'blocked');
  const drifted = resources.find(({ status }) => status === 'drifted');
  return {
    revision,
    ...(sequence === undefined ? {} : { sequence }),
    dryRun,
    started_ms,
    duration_ms,
    counts,
    ...(broken === undefined ? {} : { broken: cut(`${nameOf(broken)}: ${broken.error ?? broken.status}`) }),
    ...(drifted === undefined
      ? {}
      : { drifted: cut(`${nameOf(drifted)}: ${drifted.changes?.[0]?.summary ?? 'drifted'}`) }),
    ...(open === undefined ? {} : { open: cut(`${nameOf(open)} is ${open.status}`) }),
    outcome: outcomeOf(revision, resources),
  };
}

function outcomeOf(revision: string, resources: readonly ReportedResource[]): string {
  const hash = createHash('sha256').update(revision);
  for (const { kind, name, status, error } of resources) {
    if (status !== 'converged') hash.update(JSON.stringify([kind, name, status, error]));
  }
  return hash.digest('base64url').slice(0, 16);
}

function nameOf({ kind, name }: ReportedResource): string {
  return `${kind}/${name}`;
}

function cut(long: string): string {
  return long.length <= TEXT_CHARACTERS ? long : `${long.slice(0, TEXT_CHARACTERS)}…`;
}

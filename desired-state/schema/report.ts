import * as v from 'valibot';
import { modeSchema } from './manifest.ts';

/**
 * What an agent tells its controller: the body of `POST /v1/hosts/:host/reports`. Sent after every run that differs from
 * the one before, and as a heartbeat. Secrets are masked before it is built. A controller ignores keys that it does not know.
 */

/** Bounds, so that a controller may refuse what is larger. Texts that are longer are cut by the agent. */
export const REPORT_LIMITS = { body_bytes: 1_048_576, resources: 5000, changes: 200, text_characters: 16_384 } as const;

const text = v.pipe(v.string(), v.maxLength(REPORT_LIMITS.text_characters + 64));
const moment_ms = v.pipe(v.number(), v.minValue(0));
const status = v.picklist(['converged', 'changed', 'drifted', 'failed', 'waiting', 'stalled', 'blocked']);

const changeSchema = v.object({
  summary: text,
  diff: v.optional(text),
  hazard: v.picklist(['none', 'reload', 'restart', 'destructive']),
  outcome: v.picklist(['applied', 'failed', 'pending']),
});

const resourceSchema = v.object({
  kind: v.string(),
  name: v.string(),
  status,
  /** Where there are changes. `corrective`: the host was changed by somebody; `intended`: the declaration is new. */
  cause: v.optional(v.picklist(['corrective', 'intended'])),
  changes: v.optional(v.array(changeSchema)),
  error: v.optional(text),
  /** `kind/name` of the resource at the root of the trouble. */
  blockedBy: v.optional(v.string()),
  retryAt_ms: v.optional(moment_ms),
});

/** Something that happened while nobody could be told of it, or since the last report. */
const pastSchema = v.object({
  at_ms: moment_ms,
  revision: v.string(),
  resource: resourceSchema,
});

const pauseSchema = v.object({ by: v.string(), why: v.string(), since_ms: moment_ms, until_ms: moment_ms });

export const reportSchema = v.object({
  host: v.string(),
  agentVersion: v.string(),
  sentAt_ms: moment_ms,
  mode: modeSchema,
  pause: v.optional(pauseSchema),
  /** What the agent reconciles to; absent before it ever had a manifest. */
  runningRevision: v.optional(v.string()),
  /** What the controller last offered. */
  wantedRevision: v.optional(v.string()),
  /** Why the two differ. */
  whyDifferent: v.optional(text),
  /** Why the agent does not take what it was last offered. */
  refused: v.optional(text),
  run: v.optional(
    v.object({
      revision: v.string(),
      /** Of the manifest that it was about; tells two apart that were made of one revision. */
      sequence: v.optional(v.number()),
      dryRun: v.boolean(),
      started_ms: moment_ms,
      duration_ms: v.number(),
      /** Every resource of the manifest; those that are in order have only kind, name and status. */
      resources: v.array(resourceSchema),
    }),
  ),
  /** Oldest first; changes and failures since the last report that was delivered. */
  past: v.array(pastSchema),
  /** How many entries of `past` were dropped because the controller was away for too long. */
  pastDropped: v.number(),
  facts: v.optional(
    v.object({
      addresses: v.array(v.object({ interface: v.string(), address: v.string(), family: v.picklist([4, 6]) })),
      memory: v.optional(v.object({ total_bytes: v.number(), available_bytes: v.number() })),
      load_percent: v.optional(v.number()),
      fileSystems: v.optional(v.array(v.object({ mount: v.string(), size_bytes: v.number(), used_bytes: v.number() }))),
    }),
  ),
});

export type Report = v.InferOutput<typeof reportSchema>;
export type ReportedResource = v.InferOutput<typeof resourceSchema>;
export type PastEntry = v.InferOutput<typeof pastSchema>;
export type Facts = NonNullable<Report['facts']>;
export type PauseState = v.InferOutput<typeof pauseSchema>;

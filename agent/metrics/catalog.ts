/**
 * Every metric, event and service check that the agent emits, defined once: the emitters are typed by it, the reference and
 * the status page's `/metrics` are made from it, and a test holds the Datadog queries against it. Pure data.
 *
 * Names stand without the prefix (`agent.statsd.prefix` of the manifest, `holdfast.` unless told). A tag has a bounded
 * set of values; there is never a tag `host`, which the Datadog Agent sets.
 */
export type MetricType = 'gauge' | 'count' | 'histogram';
export type Unit = 'millisecond' | 'second' | 'byte' | 'resource' | 'change' | 'run' | 'entry' | 'none';

/** The values that a tag may have; `kinds`: the kinds of the manifest language. */
export type TagValues = readonly string[] | 'kinds';

export interface MetricDefinition {
  readonly type: MetricType;
  readonly unit: Unit;
  readonly tags: Readonly<Record<string, TagValues>>;
  readonly meaning: string;
}

const STATUSES = ['converged', 'changed', 'drifted', 'failed', 'waiting', 'stalled', 'blocked'] as const;
const CAUSES = ['corrective', 'intended'] as const;

/** What made the agent look. */
export const TRIGGERS = ['start', 'schedule', 'revision', 'watch', 'retry', 'command'] as const;
export type Trigger = (typeof TRIGGERS)[number];

export const metrics = {
  'reconcile.runs': {
    type: 'count',
    unit: 'run',
    tags: { trigger: TRIGGERS, outcome: ['converged', 'changed', 'differs', 'error'] },
    meaning:
      'Reconcile runs by what caused them and how they ended: nothing to do, something repaired, something still differs, or the run itself failed.',
  },
  'reconcile.duration': {
    type: 'histogram',
    unit: 'millisecond',
    tags: { outcome: ['converged', 'changed', 'differs'] },
    meaning: 'How long a run took, from the first look to the last.',
  },
  resources: {
    type: 'gauge',
    unit: 'resource',
    tags: { status: STATUSES, kind: 'kinds' },
    meaning: 'Resources of the manifest by their status after the last run.',
  },
  'drift.found': {
    type: 'count',
    unit: 'resource',
    tags: { kind: 'kinds' },
    meaning:
      'Resources that had been in order under the same declaration and then differed: somebody changed the host.',
  },
  repairs: {
    type: 'count',
    unit: 'change',
    tags: { kind: 'kinds', cause: CAUSES },
    meaning: 'Changes made to the host: `corrective` undid drift, `intended` followed a new declaration.',
  },
  failures: {
    type: 'count',
    unit: 'resource',
    tags: { kind: 'kinds' },
    meaning: 'Tries to look at or repair a resource that ended with an error.',
  },
  'manifest.age': {
    type: 'gauge',
    unit: 'second',
    tags: {},
    meaning: 'Time since the controller last confirmed that the running manifest is the wanted one.',
  },
  paused: {
    type: 'gauge',
    unit: 'none',
    tags: {},
    meaning: '1 while somebody has paused the agent: it looks and reports, and repairs nothing.',
  },
  'reports.dropped': {
    type: 'count',
    unit: 'entry',
    tags: {},
    meaning: 'Past changes that were dropped from the spool because the controller was away for too long.',
  },
  'certificate.expires_in': {
    type: 'gauge',
    unit: 'second',
    tags: {},
    meaning:
      "Time until the certificate of this host expires; below zero once it has. The agent renews it when about a third of its life is left: less means that the renewal fails, and the agent's status says why.",
  },
  'agent.rss': {
    type: 'gauge',
    unit: 'byte',
    tags: {},
    meaning: 'Resident memory of the agent.',
  },
  'agent.starts': {
    type: 'count',
    unit: 'none',
    tags: {},
    meaning: 'Starts of the daemon.',
  },
} as const satisfies Record<string, MetricDefinition>;

export interface EventDefinition {
  readonly alertType: 'info' | 'warning' | 'success' | 'error';
  readonly tags: Readonly<Record<string, TagValues>>;
  readonly meaning: string;
}

export const events = {
  'drift.found': {
    alertType: 'warning',
    tags: { kind: 'kinds' },
    meaning: 'A resource was changed by hand, or by another program; the text says what differs.',
  },
  'drift.repaired': { alertType: 'success', tags: { kind: 'kinds' }, meaning: 'Drift was undone; the text says how.' },
  'resource.failed': {
    alertType: 'error',
    tags: { kind: 'kinds' },
    meaning: 'A resource began to fail or to stall; the text has the error.',
  },
  'release.deployed': {
    alertType: 'info',
    tags: {},
    meaning: 'A release was switched to; put on the timelines of dashboards.',
  },
  'revision.changed': { alertType: 'info', tags: {}, meaning: 'Another revision of the desired state was taken.' },
  'manifest.refused': {
    alertType: 'error',
    tags: {},
    meaning: 'The controller offered a manifest that this agent refuses; the last good one stays.',
  },
  paused: {
    alertType: 'warning',
    tags: {},
    meaning: 'Somebody paused the agent; the text says who, why and until when.',
  },
  resumed: { alertType: 'info', tags: {}, meaning: 'The pause ended, by hand or by itself.' },
} as const satisfies Record<string, EventDefinition>;

export interface CheckDefinition {
  readonly meaning: string;
  /** What each of the statuses that are used means. */
  readonly statuses: Readonly<Partial<Record<CheckStatus, string>>>;
}

export const CHECK_STATUSES = ['ok', 'warning', 'critical', 'unknown'] as const;
export type CheckStatus = (typeof CHECK_STATUSES)[number];

export const checks = {
  'host.converged': {
    meaning:
      'Whether the host is what its manifest says. Sent after each run and as a heartbeat: its absence means no agent.',
    statuses: {
      ok: 'every resource is in order',
      warning: 'something differs and is not repaired: mode `report`, or paused',
      critical: 'something fails, stalls, waits for a retry or is blocked',
      unknown: 'there is no manifest yet',
    },
  },
  'controller.reachable': {
    meaning: 'Whether the controller answers. Without it the agent goes on with the last good manifest.',
    statuses: { ok: 'it answers', critical: 'it does not answer, or with errors', unknown: 'none is configured' },
  },
  'manifest.accepted': {
    meaning: 'Whether the manifest that the controller offers is the one that runs.',
    statuses: { ok: 'they are the same', critical: 'the offered one is refused: broken, outdated, or of another host' },
  },
  rollout: {
    meaning:
      'Whether the host has, or is about to get, the newest revision of the desired state; the message says why not.',
    statuses: {
      ok: 'there is none that it does not have',
      warning: 'it waits for its wave, or for the end of a freeze',
      critical: 'the rollout is paused or aborted, mostly because another host failed, or the revision is refused',
    },
  },
} as const satisfies Record<string, CheckDefinition>;

export type MetricName = keyof typeof metrics;
export type MetricNameOf<T extends MetricType> = {
  [N in MetricName]: (typeof metrics)[N]['type'] extends T ? N : never;
}[MetricName];
export type EventName = keyof typeof events;
export type CheckName = keyof typeof checks;

type TagValue<V> = V extends readonly (infer Item)[] ? Item : string;
type TagsFor<T> = { readonly [K in keyof T]: TagValue<T[K]> };
export type MetricTags<N extends MetricName> = TagsFor<(typeof metrics)[N]['tags']>;
export type EventTags<N extends EventName> = TagsFor<(typeof events)[N]['tags']>;

/** A single measurement on its way to a sink; the catalog's types have checked names and tags before. */
export interface Sample {
  readonly name: MetricName;
  readonly type: MetricType;
  readonly value: number;
  readonly tags: Readonly<Record<string, string>>;
}

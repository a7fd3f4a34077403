import {
  type CheckDefinition,
  checks,
  type EventDefinition,
  events,
  type MetricDefinition,
  metrics,
} from './catalog.ts';

/** The page `docs/metrics.md`, made from the catalog: `npm run metrics:reference`. */
export function metricsReference(): string {
  return [
    '# Metrics, events and service checks',
    '',
    'Made from `agent/metrics/catalog.ts` by `npm run metrics:reference`; do not edit.',
    '',
    'Names have the prefix of `agent.statsd.prefix`, which is `holdfast.` unless told. The status page serves the same',
    'metrics at `/metrics` as OpenMetrics, with underscores and base units in the names (`holdfast_reconcile_duration_seconds`).',
    'DogStatsD adds the tag `host`; `agent.tags` of the manifest are on everything.',
    '',
    '## Metrics',
    '',
    '| name | type | unit | tags | meaning |',
    '|---|---|---|---|---|',
    ...Object.entries<MetricDefinition>(metrics).map(
      ([name, { type, unit, tags, meaning }]) => `| \`${name}\` | ${type} | ${unit} | ${tagText(tags)} | ${meaning} |`,
    ),
    '',
    '## Events',
    '',
    'Each carries the tag `holdfast_event:NAME`.',
    '',
    '| name | alert type | tags | meaning |',
    '|---|---|---|---|',
    ...Object.entries<EventDefinition>(events).map(
      ([name, { alertType, tags, meaning }]) => `| \`${name}\` | ${alertType} | ${tagText(tags)} | ${meaning} |`,
    ),
    '',
    '## Service checks',
    '',
    '| name | meaning | statuses |',
    '|---|---|---|',
    ...Object.entries<CheckDefinition>(checks).map(
      ([name, { meaning, statuses }]) => `| \`${name}\` | ${meaning} | ${statusText(statuses)} |`,
    ),
    '',
  ].join('\n');
}

function tagText(tags: MetricDefinition['tags']): string {
  const parts = Object.entries(tags).map(([tag, values]) =>
    values === 'kinds' ? `\`${tag}\`: a kind` : `\`${tag}\`: ${values.join(', ')}`,
  );
  return parts.join('; ');
}

function statusText(statuses: CheckDefinition['statuses']): string {
  return Object.entries(statuses)
    .map(([status, meaning]) => `${status}: ${meaning}`)
    .join('; ');
}

if (import.meta.main) process.stdout.write(metricsReference());

import {
  CHECK_STATUSES,
  type CheckName,
  type CheckStatus,
  checks,
  type MetricDefinition,
  type MetricName,
  metrics,
  type Sample,
} from './catalog.ts';
import type { Sink } from './meter.ts';

export const OPENMETRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

const PREFIX = 'holdfast_';

interface Series {
  readonly labels: string;
  value: number;
  /** Of a histogram: how many values `value` sums up. */
  observations: number;
}

/** Keeps the last gauges and the sums of counts and histograms since the start, and prints them as OpenMetrics text. */
export class OpenMetricsStore implements Sink {
  readonly #families = new Map<MetricName, Map<string, Series>>();
  readonly #checks = new Map<CheckName, CheckStatus>();

  sample({ name, type, value, tags }: Sample): void {
    const family = this.#families.get(name) ?? new Map<string, Series>();
    this.#families.set(name, family);
    const labels = labelText(tags);
    const series = family.get(labels) ?? { labels, value: 0, observations: 0 };
    family.set(labels, series);
    series.value = type === 'gauge' ? value : series.value + value;
    series.observations += 1;
  }

  event(): void {}

  check(name: CheckName, status: CheckStatus): void {
    this.#checks.set(name, status);
  }

  text(): string {
    const lines: string[] = [];
    for (const [name, family] of this.#families) lines.push(...familyLines(name, [...family.values()]));
    for (const [name, status] of this.#checks) lines.push(...checkLines(name, status));
    return `${lines.join('\n')}${lines.length === 0 ? '' : '\n'}# EOF\n`;
  }
}

function familyLines(name: MetricName, series: readonly Series[]): string[] {
  const definition: MetricDefinition = metrics[name];
  const { suffix, factor } = baseUnit(definition.unit);
  const family = `${PREFIX}${name.replaceAll('.', '_')}${suffix === '' ? '' : `_${suffix}`}`;
  const type = { gauge: 'gauge', count: 'counter', histogram: 'summary' }[definition.type];
  return [
    `# TYPE ${family} ${type}`,
    ...(suffix === '' ? [] : [`# UNIT ${family} ${suffix}`]),
    `# HELP ${family} ${escapeText(definition.meaning)}`,
    ...series.flatMap(({ labels, value, observations }) => {
      if (definition.type === 'gauge') return [`${family}${labels} ${value * factor}`];
      if (definition.type === 'count') return [`${family}_total${labels} ${value * factor}`];
      return [`${family}_count${labels} ${observations}`, `${family}_sum${labels} ${value * factor}`];
    }),
  ];
}

function checkLines(name: CheckName, status: CheckStatus): string[] {
  const family = `${PREFIX}${name.replaceAll('.', '_')}`;
  const used = CHECK_STATUSES.filter((candidate) => candidate in checks[name].statuses);
  return [
    `# TYPE ${family} stateset`,
    `# HELP ${family} ${escapeText(checks[name].meaning)}`,
    ...used.map((candidate) => `${family}{${family}="${candidate}"} ${candidate === status ? 1 : 0}`),
  ];
}

/** OpenMetrics wants base units, in the name. */
function baseUnit(unit: MetricDefinition['unit']): { readonly suffix: string; readonly factor: number } {
  if (unit === 'millisecond') return { suffix: 'seconds', factor: 0.001 };
  if (unit === 'second') return { suffix: 'seconds', factor: 1 };
  if (unit === 'byte') return { suffix: 'bytes', factor: 1 };
  return { suffix: '', factor: 1 };
}

function labelText(tags: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(tags).map(([key, value]) => `${key}="${escapeText(value).replaceAll('"', '\\"')}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

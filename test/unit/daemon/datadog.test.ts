import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checks, events, type MetricDefinition, metrics } from '../../../agent/metrics/catalog.ts';
import { metricsReference } from '../../../agent/metrics/reference.ts';
import { DATADOG_FOLDER, readParameters, render, renderAll } from '../../../bootstrap/datadog.ts';

interface Integrations {
  readonly metrics: Readonly<Record<string, readonly string[]>>;
  readonly checks: Readonly<Record<string, readonly string[]>>;
}

const PREFIX = 'holdfast.';
/** What the Datadog Agent makes of a histogram. */
const HISTOGRAM_SUFFIX = /\.(avg|count|max|median|95percentile)$/;
/** On everything: by the Datadog Agent, or by `agent.tags`. */
const GENERAL_TAGS: readonly string[] = ['host', 'env'];

const integrations: Integrations = JSON.parse(await readFile(join(DATADOG_FOLDER, 'integrations.json'), 'utf8'));
const rendered = await renderAll(await readParameters());

/** All texts under one of `keys`, at any depth. */
function texts(value: unknown, keys: readonly string[]): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => texts(item, keys));
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, item]) =>
    typeof item === 'string' && keys.includes(key) ? [item] : texts(item, keys),
  );
}

/** The tags that may be used with a metric. Fails for one that nobody emits. */
function tagsOf(metric: string): readonly string[] {
  if (!metric.startsWith(PREFIX)) {
    const known = integrations.metrics[metric];
    assert.ok(known !== undefined, `nobody emits the metric ${metric}`);
    return known;
  }
  const all: Readonly<Record<string, MetricDefinition>> = metrics;
  const own = metric.slice(PREFIX.length);
  const base = own.replace(HISTOGRAM_SUFFIX, '');
  const definition = all[own] ?? all[base];
  assert.ok(definition !== undefined, `the agent emits no metric ${metric}`);
  assert.equal(definition.type === 'histogram', own !== base, `${metric}: a histogram is asked for by its aggregates`);
  return Object.keys(definition.tags);
}

function valuesOf(metric: string, tag: string): readonly string[] | undefined {
  const all: Readonly<Record<string, MetricDefinition>> = metrics;
  const values = all[metric.slice(PREFIX.length).replace(HISTOGRAM_SUFFIX, '')]?.tags[tag];
  return values === 'kinds' ? undefined : values;
}

const METRIC = /(?:avg|sum|min|max|count):([a-z][\w.]*)\{([^}]*)\}(?: by \{([^}]*)\})?/g;

function assertMetrics(query: string, place: string): void {
  const found = [...query.matchAll(METRIC)];
  assert.ok(found.length > 0, `${place}: no metric in ${query}`);
  assert.equal(
    found.length,
    query.match(/\{/g)?.length === undefined ? 0 : (query.match(/:[a-z][\w.]*\{/g) ?? []).length,
  );
  for (const [, metric = '', scope = '', by = ''] of found) {
    const allowed = [...tagsOf(metric), ...GENERAL_TAGS];
    const filters = scope.split(/,(?![^(]*\))| AND /).filter((part) => part !== '*' && !part.startsWith('$'));
    for (const filter of filters) {
      const [tag = '', value] = filter.trim().split(/:| IN /);
      assert.ok(allowed.includes(tag), `${place}: ${metric} has no tag ${tag}`);
      const values = valuesOf(metric, tag);
      if (values !== undefined) assert.ok(values.includes(value ?? ''), `${place}: ${tag} is never ${value}`);
    }
    for (const tag of by.split(',').filter((part) => part !== '')) {
      assert.ok(allowed.includes(tag.trim()), `${place}: ${metric} has no tag ${tag}`);
    }
  }
}

function assertCheck(name: string, place: string): void {
  const known = name.startsWith(PREFIX) ? name.slice(PREFIX.length) in checks : name in integrations.checks;
  assert.ok(known, `${place}: nobody emits the service check ${name}`);
}

for (const [path, json] of rendered) {
  test(`every query of ${path} names something that is emitted`, () => {
    const queries = texts(json, ['q', 'query']);
    assert.ok(queries.length > 0);
    for (const query of queries) {
      const check = /^"([\w.]+)"\.over\(/.exec(query)?.[1];
      const event = /^holdfast_event:(\S+)/.exec(query)?.[1];
      if (check !== undefined) assertCheck(check, path);
      else if (event !== undefined) assert.ok(event === '*' || event in events, `${path}: there is no event ${event}`);
      else assertMetrics(query, path);
    }
    for (const name of texts(json, ['check'])) assertCheck(name, path);
  });

  test(`${path} has no parameter left, and Datadog's own placeholders stay`, () => {
    assert.doesNotMatch(JSON.stringify(json), /\$\{/);
    if (path.startsWith('monitors/')) assert.match(JSON.stringify(json), /\{\{host\.name\}\}/);
  });
}

test('the monitors for gunicorn page PagerDuty and tell Slack as the parameters say, and compare with the configured workers', async () => {
  const own = await renderAll({
    app: 'shop',
    scope: 'env:live',
    gunicorn_workers: 7,
    pagerduty: '@pagerduty-x',
    slack: '@slack-y',
  });
  for (const path of ['monitors/gunicorn-workers.json', 'monitors/gunicorn-running.json']) {
    const [message] = texts(own.get(path), ['message']);
    assert.match(message ?? '', /@pagerduty-x @slack-y$/);
  }
  const text = JSON.stringify(own.get('monitors/gunicorn-workers.json'));
  assert.match(text, /sum:gunicorn\.workers\{app:shop AND state IN \(idle,working\)\} by \{host\} < 7/);
  assert.match(text, /"critical":7[,}]/);
});

test('the test of queries can fail: unknown metric, tag, tag value, check', () => {
  assert.throws(() => assertMetrics('sum:holdfast.drift.lost{*}', 'x'), /emits no metric/);
  assert.throws(() => assertMetrics('sum:holdfast.drift.found{color:red}', 'x'), /no tag color/);
  assert.throws(() => assertMetrics('sum:holdfast.resources{status:happy}', 'x'), /never happy/);
  assert.throws(() => assertMetrics('sum:holdfast.reconcile.duration{*}', 'x'), /by its aggregates/);
  assert.throws(() => assertCheck('holdfast.nothing', 'x'), /service check/);
});

test('an unknown parameter is refused by name', () => {
  assert.throws(
    () => render({ a: 'to ${nobody}' }, { slack: '@x' }, 'monitors/x.json'),
    /monitors\/x\.json.*"nobody".*slack/,
  );
});

test('the reference of metrics is what the catalog says', async () => {
  const page = await readFile(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8');
  assert.equal(page, metricsReference(), 'run: npm run metrics:reference');
});

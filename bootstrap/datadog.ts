import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * Renders the dashboards and monitors of `desired-state/datadog/` for Datadog's API: `${name}` becomes the parameter of
 * that name, from `parameters.json` or `--set name=value`. `{{…}}` is Datadog's own and stays.
 *
 * `npm run datadog:render -- --set pagerduty=@pagerduty-shop --set gunicorn_workers=5 [--out FOLDER]`
 */
export const DATADOG_FOLDER = join(import.meta.dirname, '../desired-state/datadog');

export type Parameters = Readonly<Record<string, string | number>>;

/** A text that is nothing but a placeholder takes on the parameter's type: thresholds are numbers. Throws on an unknown name. */
export function render(value: unknown, parameters: Parameters, place: string): unknown {
  if (Array.isArray(value)) return value.map((item) => render(item, parameters, place));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, render(item, parameters, place)]));
  }
  if (typeof value !== 'string') return value;
  const lookUp = (name: string): string | number => {
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (parameter === undefined) {
      throw new Error(`${place}: there is no parameter "${name}", only ${Object.keys(parameters).join(', ')}`);
    }
    return parameter;
  };
  const whole = /^\$\{(\w+)\}$/.exec(value)?.[1];
  return whole === undefined
    ? value.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => String(lookUp(name)))
    : lookUp(whole);
}

export async function readParameters(): Promise<Parameters> {
  const parameters: Parameters = JSON.parse(await readFile(join(DATADOG_FOLDER, 'parameters.json'), 'utf8'));
  return parameters;
}

/** All dashboards and monitors, rendered, by their path below the folder. */
export async function renderAll(parameters: Parameters): Promise<ReadonlyMap<string, unknown>> {
  const rendered = new Map<string, unknown>();
  for (const part of ['dashboards', 'monitors']) {
    for (const file of (await readdir(join(DATADOG_FOLDER, part))).sort()) {
      const path = `${part}/${file}`;
      const json: unknown = JSON.parse(await readFile(join(DATADOG_FOLDER, path), 'utf8'));
      rendered.set(path, render(json, parameters, path));
    }
  }
  return rendered;
}

function overrides(settings: readonly string[], defaults: Parameters): Parameters {
  const pairs = settings.map((setting) => {
    const [name = '', ...rest] = setting.split('=');
    const value = rest.join('=');
    if (rest.length === 0 || !Object.hasOwn(defaults, name)) {
      throw new Error(`--set expects NAME=VALUE with one of ${Object.keys(defaults).join(', ')}; got "${setting}"`);
    }
    const number = Number(value);
    if (typeof defaults[name] === 'number' && !Number.isFinite(number))
      throw new Error(`${name} is a number, not "${value}"`);
    return [name, typeof defaults[name] === 'number' ? number : value] as const;
  });
  return { ...defaults, ...Object.fromEntries(pairs) };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { set: { type: 'string', multiple: true }, out: { type: 'string' } } });
  const folder = values.out ?? 'dist/datadog';
  const rendered = await renderAll(overrides(values.set ?? [], await readParameters()));
  for (const [path, json] of rendered) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), `${JSON.stringify(json, null, 2)}\n`);
    process.stdout.write(`${join(folder, path)}\n`);
  }
}

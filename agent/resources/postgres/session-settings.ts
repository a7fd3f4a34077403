import type { SettingValue } from '../../../desired-state/schema/postgres-names.ts';
import type { Cluster } from '../../host/postgres/port.ts';
import { isList, listItems, plainValue, sameValue } from './setting-value.ts';
import { identifier, literal } from './sql.ts';
import type { Change } from './state.ts';

/** Settings that a role or a database gives to its sessions (`ALTER … SET`). Pure. */

type Settings = Readonly<Record<string, SettingValue>>;

export function roleSettings(
  cluster: Cluster,
  name: string,
  wanted: Settings | undefined,
  is: readonly string[],
): readonly Change[] {
  return diffSessionSettings(cluster, { word: 'ROLE', name }, wanted, is);
}

export function databaseSettings(
  cluster: Cluster,
  name: string,
  wanted: Settings | undefined,
  is: readonly string[],
): readonly Change[] {
  return diffSessionSettings(cluster, { word: 'DATABASE', name }, wanted, is);
}

function diffSessionSettings(
  cluster: Cluster,
  of: { readonly word: 'ROLE' | 'DATABASE'; readonly name: string },
  wanted: Settings | undefined,
  is: readonly string[],
): readonly Change[] {
  if (wanted === undefined) return [];
  const stored = new Map(is.map((item) => splitOnce(item)));
  const names = new Set(Object.keys(wanted).map((name) => name.toLowerCase()));
  const sets = Object.entries(wanted).filter(([name, value]) => {
    const actual = stored.get(name.toLowerCase());
    return actual === undefined || !sameValue({ name: name.toLowerCase(), wanted: value, actual });
  });
  const resets = [...stored.keys()].filter((name) => !names.has(name));
  const change = (clause: string, summary: string): Change => ({
    type: 'sql',
    cluster,
    database: 'postgres',
    statements: [{ sql: `ALTER ${of.word} ${identifier(of.name)} ${clause}` }],
    summary,
    hazard: 'none',
  });
  const where = `for ${of.word.toLowerCase()} ${of.name}`;
  return [
    ...sets.map(([name, value]) =>
      change(`SET ${settingName(name)} = ${valueSql(name, value)}`, `set ${name} = ${plainValue(value)} ${where}`),
    ),
    ...resets.map((name) => change(`RESET ${settingName(name)}`, `reset ${name} ${where}`)),
  ];
}

function splitOnce(item: string): readonly [string, string] {
  const at = item.indexOf('=');
  return [item.slice(0, at).toLowerCase(), item.slice(at + 1)];
}

function settingName(name: string): string {
  return name.split('.').map(identifier).join('.');
}

function valueSql(name: string, value: SettingValue): string {
  const text = plainValue(value);
  return isList(name.toLowerCase(), value) ? listItems(text).map(literal).join(', ') : literal(text);
}

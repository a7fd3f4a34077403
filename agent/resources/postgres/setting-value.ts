import type { SettingValue } from '../../../desired-state/schema/postgres-names.ts';

/** What a setting's value means, whichever of its spellings it has: `128MB` is `16384` pages of 8 kB. Pure. */

/** From `pg_settings`; unknown while no server runs. */
export interface SettingMeaning {
  readonly type: string;
  readonly unit: string | null;
}

const MEMORY_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
};
const TIME_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const UNITS: Readonly<Record<string, number>> = { ...MEMORY_BYTES, ...TIME_MS };

const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(B|kB|MB|GB|TB|us|ms|s|min|h|d)?$/;
const TRUE = new Set(['on', 'true', 'yes', '1', 't', 'y']);
const FALSE = new Set(['off', 'false', 'no', '0', 'f', 'n']);

/** Settings of which the server itself takes the value apart at the commas. */
const LISTS = new Set([
  'listen_addresses',
  'unix_socket_directories',
  'search_path',
  'shared_preload_libraries',
  'session_preload_libraries',
  'local_preload_libraries',
  'temp_tablespaces',
  'log_destination',
  'datestyle',
]);

export function isList(name: string, value: SettingValue): boolean {
  return Array.isArray(value) || LISTS.has(name);
}

/** The value as one text, without quotes. */
export function plainValue(value: SettingValue): string {
  if (Array.isArray(value)) return value.join(', ');
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value);
}

/** The value as it stands in `postgresql.conf`. */
export function configValue(value: SettingValue): string {
  const text = plainValue(value);
  const bare = typeof value === 'number' || typeof value === 'boolean' || (typeof value === 'string' && isBare(value));
  return bare ? text : `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

function isBare(text: string): boolean {
  return /^(?:on|off|true|false)$/.test(text) || (QUANTITY.test(text) && !text.includes(' '));
}

export function listItems(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim().replace(/^"(.*)"$/, '$1'))
    .filter((item) => item !== '');
}

export interface Comparison {
  readonly name: string;
  readonly wanted: SettingValue;
  readonly actual: string;
  readonly meaning?: SettingMeaning | undefined;
}

export function sameValue({ name, wanted, actual, meaning }: Comparison): boolean {
  const text = plainValue(wanted);
  if (isList(name, wanted)) return listItems(text).join('\0') === listItems(actual).join('\0');
  if (text === actual) return true;
  if (meaning === undefined) return sameByLooks(text, actual);
  if (meaning.type === 'bool') return asBoolean(text) !== undefined && asBoolean(text) === asBoolean(actual);
  if (meaning.type === 'enum') return sameEnum(text, actual);
  if (meaning.type === 'integer' || meaning.type === 'real') {
    const [a, b] = [inUnit(text, meaning), inUnit(actual, meaning)];
    return a !== undefined && b !== undefined && Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a));
  }
  return false;
}

/** Some enums take booleans as well: `synchronous_commit = true` is shown as `on`. */
function sameEnum(a: string, b: string): boolean {
  if (a.toLowerCase() === b.toLowerCase()) return true;
  return asBoolean(a) !== undefined && asBoolean(a) === asBoolean(b);
}

function sameByLooks(a: string, b: string): boolean {
  if (asBoolean(a) !== undefined && asBoolean(a) === asBoolean(b)) return true;
  const [left, right] = [inBase(a), inBase(b)];
  return left !== undefined && right !== undefined && left.kind === right.kind && left.amount === right.amount;
}

function asBoolean(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (TRUE.has(word)) return true;
  return FALSE.has(word) ? false : undefined;
}

/** The number that the server keeps: a bare number counts in the setting's own unit, which may be `8kB`. */
function inUnit(text: string, meaning: SettingMeaning): number | undefined {
  const match = QUANTITY.exec(text.trim());
  if (match === null) return /^0x[0-9a-f]+$/i.test(text) ? Number(text) : undefined;
  const amount = Number(match[1]);
  const unit = match[2];
  const scaled =
    unit === undefined || meaning.unit === null ? amount : (amount * (UNITS[unit] ?? 1)) / base(meaning.unit);
  return meaning.type === 'integer' ? Math.round(scaled) : scaled;
}

function base(unit: string): number {
  const match = /^(\d*)(\D+)$/.exec(unit);
  return Number(match?.[1] || 1) * (UNITS[match?.[2] ?? ''] ?? 1);
}

function inBase(text: string): { readonly kind: string; readonly amount: number } | undefined {
  const match = QUANTITY.exec(text.trim());
  if (match === null) return undefined;
  const unit = match[2];
  if (unit === undefined) return { kind: 'number', amount: Number(match[1]) };
  const kind = unit in MEMORY_BYTES ? 'bytes' : 'ms';
  return { kind, amount: Number(match[1]) * (UNITS[unit] ?? 1) };
}

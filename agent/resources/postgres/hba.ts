import type { HbaEntry } from '../../../desired-state/schema/postgres-hba.ts';
import { normalAddress } from './address.ts';

/** `pg_hba.conf`: rendering, and comparing by meaning, since comments and netmasks change nothing. Pure. */

/** One line, taken apart and in one spelling: addresses with a prefix, names without needless quotes. */
export interface HbaRule {
  readonly type: string;
  readonly database: readonly string[];
  readonly user: readonly string[];
  /** Absent for `local`. */
  readonly address?: string;
  readonly method: string;
  readonly options: readonly string[];
}

const HEADER = `# Managed by Holdfast: changes by hand are undone. The first line that matches decides.\n`;
/** How the agent itself connects. */
const AGENT_RULE: HbaRule = { type: 'local', database: ['all'], user: ['postgres'], method: 'peer', options: [] };

export function wantedRules(entries: readonly HbaEntry[]): readonly HbaRule[] {
  const rules = entries.flatMap(rulesOf);
  const first = rules.find((rule) => rule.type === 'local' && reachesAgent(rule));
  return first !== undefined && ruleKey(first) === ruleKey(AGENT_RULE) ? rules : [AGENT_RULE, ...rules];
}

function reachesAgent(rule: HbaRule): boolean {
  return rule.user.some((user) => user === 'all' || user === 'postgres' || user.startsWith('+'));
}

function rulesOf(entry: HbaEntry): readonly HbaRule[] {
  const rule = {
    type: entry.type,
    database: entry.database,
    user: entry.user,
    method: entry.method,
    options: Object.entries(entry.options).map(([name, value]) => `${name}=${value}`),
  };
  if (entry.type === 'local') return [rule];
  return (entry.from ?? []).map((address) => ({ ...rule, address: normalAddress(address) }));
}

export function renderHba(rules: readonly HbaRule[]): string {
  const rows = rules.map((rule) => [
    rule.type,
    rule.database.map(quoteName).join(','),
    rule.user.map(quoteName).join(','),
    rule.address ?? '',
    [rule.method, ...rule.options.map(quoteOption)].join(' '),
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${HEADER}${lines.map((line) => `${line}\n`).join('')}`;
}

/** A name that is written with its quotes (`"all"`) stays as it is. */
function quoteName(name: string): string {
  if (/^".*"$/.test(name) || /^[^\s",#]+$/.test(name)) return name;
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteOption(option: string): string {
  return /[\s,#]/.test(option) ? `"${option}"` : option;
}

export function sameRules(a: readonly HbaRule[], b: readonly HbaRule[]): boolean {
  return a.length === b.length && a.every((rule, index) => ruleKey(rule) === ruleKey(b[index]));
}

function ruleKey(rule: HbaRule | undefined): string {
  if (rule === undefined) return '';
  const { type, database, user, address, method, options } = rule;
  return JSON.stringify([type, database.toSorted(), user.toSorted(), address ?? '', method, options.toSorted()]);
}

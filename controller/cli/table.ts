import { type Paint, paintState, plainPaint } from './paint.ts';
import { cut, lengthOf, oneLine } from './text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | undefined;
  /** Its words have colours. */
  readonly state?: true;
  readonly right?: true;
  /** It says nothing when it is cut. */
  readonly whole?: true;
}

export interface TableOptions {
  /** Of the terminal; without it nothing is cut. */
  readonly width?: number | undefined;
  readonly paint?: Paint;
}

const GAP = '  ';
/** A column that is cut goes on saying something. */
const LEAST = 6;

/** Rows below their titles, without borders. Where they are too wide, the widest columns are cut, the last one first. */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { width, paint = plainPaint }: TableOptions = {},
): string {
  const cells = rows.map((row) => columns.map(({ value }) => oneLine(String(value(row) ?? '-')) || '-'));
  const widths = columns.map(({ title }, index) => {
    const longest = cells.reduce((most, line) => Math.max(most, lengthOf(line[index] ?? '')), 0);
    return Math.max(title.length, longest);
  });
  if (width !== undefined) {
    const cuttable = columns.flatMap(({ whole }, index) => (whole === true ? [] : [index]));
    shrink(widths, cuttable, width - GAP.length * (columns.length - 1));
  }
  const line = (texts: readonly string[], isTitle: boolean): string => {
    const parts = columns.map(({ right, state }, index) => {
      const text = cut(texts[index] ?? '', widths[index] ?? 0);
      const space = ' '.repeat(Math.max((widths[index] ?? 0) - lengthOf(text), 0));
      const padded = right === true ? `${space}${text}` : `${text}${index === columns.length - 1 ? '' : space}`;
      if (isTitle) return paint('dim', padded);
      return state === true ? paintState(padded, paint) : padded;
    });
    return `${parts.join(GAP)}\n`;
  };
  const titles = columns.map(({ title }) => title);
  return [line(titles, true), ...cells.map((texts) => line(texts, false))].join('');
}

/** Takes from the widest of those that may be cut, until all fit or none has anything left to give. */
function shrink(widths: number[], cuttable: readonly number[], room: number): void {
  let excess = widths.reduce((sum, one) => sum + one, 0) - room;
  while (excess > 0) {
    const widest = cuttable.reduce((best, index) => ((widths[index] ?? 0) >= (widths[best] ?? 0) ? index : best), -1);
    const now = widths[widest] ?? 0;
    if (now <= LEAST) return;
    const others = cuttable.filter((index) => index !== widest).map((index) => widths[index] ?? 0);
    const next = Math.max(LEAST, now - excess, Math.min(Math.max(LEAST, ...others), now - 1));
    excess -= now - next;
    widths[widest] = next;
  }
}

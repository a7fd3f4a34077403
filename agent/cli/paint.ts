import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Colours only where the stream is a terminal and the user has not asked for none (`NO_COLOR`). */
export type Paint = (style: Style, text: string) => string;

export function painter(stream: NodeJS.WriteStream): Paint {
  return (style, text) => styleText(style, text, { stream, validateStream: true });
}

/** A unified diff, indented, with added and removed lines in colour. */
export function paintDiff(diff: string, indent: string, paint: Paint): string {
  const lines = diff.endsWith('\n') ? diff.slice(0, -1).split('\n') : diff.split('\n');
  return lines.map((line) => `${indent}${paintDiffLine(line, paint)}\n`).join('');
}

function paintDiffLine(line: string, paint: Paint): string {
  if (line.startsWith('+++') || line.startsWith('---')) return paint('bold', line);
  if (line.startsWith('@@')) return paint('cyan', line);
  if (line.startsWith('+')) return paint('green', line);
  if (line.startsWith('-')) return paint('red', line);
  return line;
}

/** `12 ms`, `3.4 s`, `2 min 5 s`, `26 h 3 min`, `59 d 4 h`. */
export function durationText(duration_ms: number): string {
  if (duration_ms < 1000) return `${Math.round(duration_ms)} ms`;
  if (duration_ms < MINUTE_MS) return `${(duration_ms / 1000).toFixed(1)} s`;
  if (duration_ms < HOUR_MS) {
    return `${Math.floor(duration_ms / MINUTE_MS)} min ${Math.floor((duration_ms % MINUTE_MS) / 1000)} s`;
  }
  if (duration_ms < 2 * DAY_MS) {
    return `${Math.floor(duration_ms / HOUR_MS)} h ${Math.floor((duration_ms % HOUR_MS) / MINUTE_MS)} min`;
  }
  return `${Math.floor(duration_ms / DAY_MS)} d ${Math.floor((duration_ms % DAY_MS) / HOUR_MS)} h`;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `1 change`, `2 changes`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}

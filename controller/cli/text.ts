/** Texts for a terminal. What they are made of comes from hosts and other people: it must not move the cursor. */

// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** On one line, with `?` in the place of what a terminal would obey. */
export function oneLine(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ').replaceAll(CONTROL, '?');
}

/** The lines of a text, each as with `oneLine` but with its spaces. */
export function safeLines(text: string): readonly string[] {
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => line.replaceAll('\t', '    ').replaceAll(CONTROL, '?'));
}

/** Cut to `width` characters, the last of which says so. */
export function cut(text: string, width: number): string {
  const letters = Array.from(text);
  return letters.length <= width ? text : `${letters.slice(0, Math.max(width - 1, 0)).join('')}…`;
}

export function lengthOf(text: string): number {
  return Array.from(text).length;
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** `3d`, `2h`, `40s`; how long something took, or has been. */
export function spanText(span_ms: number): string {
  for (const [unit, size_ms] of UNITS) if (span_ms >= size_ms) return `${Math.floor(span_ms / size_ms)}${unit}`;
  return span_ms <= 0 ? '0s' : `${Math.round(span_ms)}ms`;
}

/** `2h ago`, `in 3d`, `never`. */
export function agoText(at_ms: number | null | undefined, now_ms: number): string {
  if (at_ms === undefined || at_ms === null) return 'never';
  const span_ms = now_ms - at_ms;
  if (Math.abs(span_ms) < 1000) return 'now';
  return span_ms > 0 ? `${spanText(span_ms)} ago` : `in ${spanText(-span_ms)}`;
}

/** `2026-11-22 13:05:59`, by the clock of this machine. */
export function momentText(at_ms: number): string {
  const at = new Date(at_ms);
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** As much of a revision as names it. */
export function short(revision: string | null | undefined): string {
  return revision === undefined || revision === null ? '-' : oneLine(revision).slice(0, 12);
}

/** `1 host`, `2 hosts`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}

import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

export type Paint = (style: Style, text: string) => string;

export const plainPaint: Paint = (_style, text) => text;

/** Colours only on a terminal that can show them, and never where `NO_COLOR` is set. */
export function painter(isTerminal: boolean, env: NodeJS.ProcessEnv): Paint {
  const { NO_COLOR: none, TERM: terminal } = env;
  if (!isTerminal || (none !== undefined && none !== '') || terminal === 'dumb') return plainPaint;
  return (style, text) => styleText(style, text, { validateStream: false });
}

const STYLES: Readonly<Record<string, Style>> = {
  converged: 'green',
  good: 'green',
  done: 'green',
  failed: 'red',
  stalled: 'red',
  refused: 'red',
  aborted: 'red',
  silent: 'red',
  drifted: 'yellow',
  paused: 'yellow',
  frozen: 'yellow',
  behind: 'yellow',
  changed: 'cyan',
  running: 'cyan',
};

/** A word that says how something is, in its colour. */
export function paintState(state: string, paint: Paint): string {
  const style = STYLES[state.trim()];
  return style === undefined ? state : paint(style, state);
}

/** A line of a unified diff; whatever stands before it is kept. */
export function paintDiffLine(line: string, paint: Paint): string {
  const text = line.trimStart();
  if (text.startsWith('+++') || text.startsWith('---')) return paint('bold', line);
  if (text.startsWith('@@')) return paint('cyan', line);
  if (text.startsWith('+')) return paint('green', line);
  return text.startsWith('-') ? paint('red', line) : line;
}

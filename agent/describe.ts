import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff';
import { type MaybeSecret, Secret } from '../desired-state/schema/secret.ts';

/** Helpers for `describe`: unified diffs as a person wants to read them, with secrets masked. Pure. */

const MAX_DIFF_CHARACTERS = 16_384;

/**
 * A unified diff of a text file. Where the new text holds a secret, its fragments are masked, and so is every removed
 * line: what stood there before may be an older secret that nobody can recognise any more.
 */
export function textDiff(path: string, before: string | undefined, after: MaybeSecret): string {
  const wanted = typeof after === 'string' ? after : after.reveal();
  const old = before ?? '';
  if (looksBinary(old) || looksBinary(wanted)) return `Binary files differ: ${path}\n`;
  const secret = after instanceof Secret;
  const patch = createTwoFilesPatch(before === undefined ? '/dev/null' : path, path, old, wanted, '', '', {
    context: 3,
    headerOptions: FILE_HEADERS_ONLY,
  });
  const [from = '', to = '', ...lines] = patch.split('\n');
  const shown = secret ? lines.map((line) => maskLine(line, after)) : lines;
  return truncate([from.trimEnd(), to.trimEnd(), ...shown].join('\n'));
}

function maskLine(line: string, secret: Secret): string {
  if (line.startsWith('@@')) return line;
  if (line.startsWith('-')) return '-***';
  return mask(line, secret.fragments());
}

/** Replaces every fragment in `text`, longest first, line by line for fragments of several lines. */
export function mask(text: string, fragments: Iterable<string>): string {
  const parts = [...fragments]
    .flatMap((fragment) => [fragment, ...fragment.split('\n')])
    .filter((part) => part.trim().length >= 4)
    .sort((a, b) => b.length - a.length);
  let masked = text;
  for (const part of new Set(parts)) masked = masked.replaceAll(part, '***');
  return masked;
}

/** `0644`, as `stat` and `chmod` write it. */
export function modeText(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function looksBinary(text: string): boolean {
  return text.includes('\0');
}

function truncate(text: string): string {
  if (text.length <= MAX_DIFF_CHARACTERS) return text;
  return `${text.slice(0, MAX_DIFF_CHARACTERS)}\n… ${text.length - MAX_DIFF_CHARACTERS} more characters\n`;
}

/** What one line of /etc/fstab should say for a swap file. */
export interface FstabEntry {
  readonly path: string;
  readonly priority: number | undefined;
}

/** The text with exactly one right line for the file, in the place of the first that was there; all else as it was. */
export function withEntry(text: string, entry: FstabEntry): string {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => isFor(line, entry.path));
  const kept = lines.filter((line, index) => index === first || !isFor(line, entry.path));
  const wanted = `${escapePath(entry.path)} none swap ${optionsOf(entry)} 0 0`;
  if (first !== -1)
    return kept.map((line) => (isFor(line, entry.path) && !isRight(line, entry) ? wanted : line)).join('\n');
  const body = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return `${body}${wanted}\n`;
}

export function withoutEntry(text: string, path: string): string {
  return text
    .split('\n')
    .filter((line) => !isFor(line, path))
    .join('\n');
}

/** A line that does the same in other words (`defaults` for `sw`, tabs for spaces) is right. */
function isRight(line: string, entry: FstabEntry): boolean {
  const [, , type, options = ''] = line.trim().split(/\s+/);
  const list = options.split(',');
  const priority = list.find((option) => option.startsWith('pri='))?.slice('pri='.length);
  const wanted = entry.priority === undefined ? undefined : String(entry.priority);
  return type === 'swap' && !list.includes('noauto') && priority === wanted;
}

function isFor(line: string, path: string): boolean {
  return line.trim().split(/\s+/)[0] === escapePath(path);
}

function optionsOf({ priority }: FstabEntry): string {
  return priority === undefined ? 'sw' : `sw,pri=${priority}`;
}

/** fstab(5) writes white space in a path as octal. */
export function escapePath(path: string): string {
  return path.replaceAll('\\', '\\134').replaceAll(' ', '\\040').replaceAll('\t', '\\011').replaceAll('\n', '\\012');
}

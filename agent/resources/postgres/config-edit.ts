import type { ConfigFile } from '../../host/postgres/port.ts';

/** Puts settings into `postgresql.conf` and takes out what overrides them. Pure. */

export interface FileEdit {
  readonly path: string;
  /** `undefined` where the file is not there yet. */
  readonly before: string | undefined;
  readonly after: string;
}

/**
 * A setting goes where it stands already, else in the place of its commented-out default, else to the end. `files` in
 * the order of reading, the main file first; the text of a setting in any other place becomes a comment.
 */
export function editConfig(files: readonly ConfigFile[], settings: ReadonlyMap<string, string>): readonly FileEdit[] {
  const [main, ...others] = files;
  if (main === undefined) return [];
  const edited = [
    { path: main.path, before: main.text, after: editMain(main, settings) },
    ...others.map((file) => ({ path: file.path, before: file.text, after: commentOut(file, settings) })),
  ];
  return edited.filter((edit) => edit.before !== edit.after);
}

function editMain(main: ConfigFile, settings: ReadonlyMap<string, string>): string {
  const lines = main.text.split('\n');
  const appended: string[] = [];
  for (const [name, value] of settings) {
    const wanted = `${name} = ${value}`;
    const places = main.assignments.filter((assignment) => assignment.name === name).map(({ line }) => line);
    const place = places.pop() ?? lines.findIndex((line) => isDefaultOf(line, name));
    for (const line of places) lines[line] = `#${lines[line] ?? ''}`;
    if (place === -1) appended.push(wanted);
    else lines[place] = wanted;
  }
  if (appended.length === 0) return lines.join('\n');
  const text = lines.join('\n');
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${appended.join('\n')}\n`;
}

function isDefaultOf(line: string, name: string): boolean {
  return line.startsWith('#') && new RegExp(`^#${name.replaceAll(/[.$]/g, '\\$&')}\\s*=`, 'i').test(line);
}

/** `postgresql.auto.conf` is the server's: it keeps no comments of others, so the line goes. */
function commentOut(file: ConfigFile, settings: ReadonlyMap<string, string>): string {
  const taken = new Set(file.assignments.filter(({ name }) => settings.has(name)).map(({ line }) => line));
  const lines = file.text.split('\n');
  if (file.path.endsWith('/postgresql.auto.conf')) return lines.filter((_, index) => !taken.has(index)).join('\n');
  return lines.map((line, index) => (taken.has(index) ? `#${line}` : line)).join('\n');
}

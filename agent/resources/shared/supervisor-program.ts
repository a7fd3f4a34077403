import { collectFragments, type MaybeSecret, reveal, Secret } from '../../../desired-state/schema/secret.ts';
import type { ProgramSpec } from '../../../desired-state/schema/supervisor.ts';

/** Where Debian's supervisord includes `*.conf` from. */
export const CONF_DIRECTORY = '/etc/supervisor/conf.d';
export const HEADER = '; Written by Holdfast: what is changed here by hand is found and undone.';

/** The file of one program. Pure. The text is a `Secret` where the environment holds one. */
export function renderProgram(name: string, program: Omit<ProgramSpec, 'ensure'>): MaybeSecret {
  const variables = Object.entries(program.environment).map(([key, value]) => encodeVariable(key, value));
  const escaped = variables.filter((variable) => variable.escaped).map((variable) => variable.name);
  const lines = [
    HEADER,
    `[program:${name}]`,
    `command=${escaped.length === 0 ? '' : unescaper(escaped)}${program.command}`,
    ...(program.numprocs > 1
      ? [`process_name=%(program_name)s_%(process_num)02d`, `numprocs=${program.numprocs}`]
      : []),
    ...optional('user', program.user),
    ...optional('directory', program.directory?.replaceAll('%', '%%')),
    ...(variables.length === 0 ? [] : [`environment=${variables.map((variable) => variable.text).join(',')}`]),
    ...optional('umask', program.umask?.toString(8).padStart(3, '0')),
    `priority=${program.priority}`,
    `autostart=${program.autostart}`,
    `autorestart=${program.autorestart}`,
    `startsecs=${program.startsecs}`,
    `startretries=${program.startretries}`,
    `exitcodes=${program.exitcodes.join(',')}`,
    `stopsignal=${program.stopsignal}`,
    `stopwaitsecs=${program.stopwaitsecs}`,
    `stopasgroup=${program.stopasgroup}`,
    // supervisor refuses stopasgroup without killasgroup.
    `killasgroup=${program.stopasgroup || (program.killasgroup ?? false)}`,
    ...logLines('stdout', program.stdout_logfile, program.stdout_logfile_maxbytes, program.stdout_logfile_backups),
    `redirect_stderr=${program.redirect_stderr}`,
    ...(program.redirect_stderr
      ? []
      : logLines('stderr', program.stderr_logfile, program.stderr_logfile_maxbytes, program.stderr_logfile_backups)),
  ];
  const text = `${lines.join('\n')}\n`;
  const fragments = collectFragments(Object.values(program.environment));
  if (fragments.size === 0) return text;
  const encoded = variables.filter((variable) => variable.secret).map((variable) => variable.encoded);
  return new Secret(text, [...encoded, ...fragments]);
}

export function renderGroup(
  name: string,
  group: { readonly programs: readonly string[]; readonly priority: number },
): string {
  return `${[HEADER, `[group:${name}]`, `programs=${group.programs.join(',')}`, `priority=${group.priority}`].join('\n')}\n`;
}

interface Variable {
  readonly name: string;
  readonly text: string;
  readonly encoded: string;
  readonly escaped: boolean;
  readonly secret: boolean;
}

const ESCAPED_PREFIX = 'HOLDFAST_ESCAPED_';

/**
 * supervisor reads `environment` with a shell-like lexer that knows quotes but no escape, cuts comments out of it, and
 * expands `%`. What cannot be said that way travels as octal escapes in a variable of its own; see `unescaper`.
 */
function encodeVariable(name: string, value: MaybeSecret): Variable {
  const clear = reveal(value);
  const escaped = !isPlain(clear);
  const encoded = escaped ? octal(clear) : clear.replaceAll('%', '%%');
  const quote = encoded.includes('"') ? "'" : '"';
  return {
    name,
    text: `${escaped ? ESCAPED_PREFIX : ''}${name}=${quote}${encoded}${quote}`,
    encoded,
    escaped,
    secret: value instanceof Secret,
  };
}

function isPlain(value: string): boolean {
  const printable = /^[\x20-\x7e]*$/.test(value);
  const bothQuotes = value.includes('"') && value.includes("'");
  const quoteAtEnd = /^["']|["']$/.test(value);
  const comment = /(?:^|\s)[;#]/.test(value);
  return printable && !bothQuotes && !quoteAtEnd && !comment;
}

function octal(value: string): string {
  return [...Buffer.from(value, 'utf8')].map((byte) => `\\0${byte.toString(8).padStart(3, '0')}`).join('');
}

/**
 * The start of a command that turns the escaped variables back and then becomes the program, with the same pid. The dot
 * keeps line ends at the end of a value, which a command substitution would drop.
 */
function unescaper(names: readonly string[]): string {
  const steps = names.map(
    (name) =>
      `${name}="$(printf %%b. "$${ESCAPED_PREFIX}${name}")";export ${name}="\${${name}%%.}";unset ${ESCAPED_PREFIX}${name};`,
  );
  return `/bin/sh -c '${steps.join('')}exec "$@"' sh `;
}

function logLines(stream: string, file: string, maxbytes: string, backups: number): readonly string[] {
  return [
    `${stream}_logfile=${file.replaceAll('%', '%%')}`,
    `${stream}_logfile_maxbytes=${maxbytes}`,
    `${stream}_logfile_backups=${backups}`,
  ];
}

function optional(key: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [`${key}=${value}`];
}

const SECTION = /^\[(?<kind>program|group|fcgi-program|eventlistener):(?<name>[^\]]+)\]/gm;

/** The groups that a file defines, by its section headers: a program is a group of its own unless a group takes it. */
export function groupsIn(text: string): readonly string[] {
  return [...text.matchAll(SECTION)].map((match) => (match.groups?.['name'] ?? '').trim());
}

/** Holds a running slot of a release; the kind `releases` owns it. */
export function isReleaseFile(fileName: string): boolean {
  return fileName.startsWith('release-');
}

export function isReleaseGroup(group: string): boolean {
  return /-(?:blue|green)$/.test(group);
}

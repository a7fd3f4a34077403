import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { absolutePath, accountName, fileMode, positiveInteger, secretText } from './values.ts';

/** supervisor refuses names with a space, a colon or a slash; what `releases` owns starts with `release-`. */
const programName = v.pipe(
  v.string('expected a program name'),
  v.regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'expected a program name of letters, digits, ".", "_" and "-"'),
  v.check((name) => !name.startsWith('release-'), 'names that start with "release-" belong to the kind "releases"'),
  v.check((name) => !name.startsWith('group-'), 'names that start with "group-" belong to the key "groups"'),
);

/** What stands on one line of an ini file: supervisor cuts a value at a `;` or `#` after white space, and has no escape for it. */
export const iniLine = v.pipe(
  v.string('expected text on one line'),
  // oxlint-disable-next-line no-control-regex
  v.regex(/^[^\u0000-\u001f\u007f]+$/, 'expected text on one line'),
  v.check((text) => text.trim() === text, 'expected no space at the beginning or end'),
  v.check(
    (text) => !/\s[;#]/.test(text),
    'supervisor takes " ;" and " #" for the start of a comment: put it in a script',
  ),
);

export const environmentMap = v.record(
  v.pipe(
    v.string('expected the name of an environment variable'),
    v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of an environment variable (letters, digits and _)'),
  ),
  v.pipe(
    v.union([secretText, v.number(), v.boolean()], 'expected text or !secret NAME'),
    v.transform((value) => (typeof value === 'number' || typeof value === 'boolean' ? String(value) : value)),
    v.check(
      (value) => !(typeof value === 'string' ? value : value.reveal()).includes('\0'),
      'an environment variable cannot hold a NUL character',
    ),
  ),
  'expected a map of environment variables',
);

const logFile = v.union(
  [absolutePath, v.picklist(['AUTO', 'NONE', 'syslog'])],
  'expected an absolute path, "AUTO", "NONE" or "syslog"',
);

export const byteSize = v.pipe(
  v.union([v.pipe(v.number(), v.integer(), v.minValue(0)), v.string()], 'expected a size such as "50MB"'),
  v.transform(String),
  v.regex(/^\d+(?:KB|MB|GB)?$/i, 'expected a size such as "50MB"'),
);

const count = v.pipe(
  v.number('expected a whole number'),
  v.integer('expected a whole number'),
  v.minValue(0, 'expected a whole number of at least 0'),
);

const signals = ['TERM', 'HUP', 'INT', 'QUIT', 'KILL', 'USR1', 'USR2'] as const;

const ensure = v.optional(
  v.pipe(
    v.picklist(['running', 'stopped', 'absent'], 'expected "running", "stopped" or "absent"'),
    v.description('Whether the program runs, is configured but stopped, or is not there. Default: running.'),
  ),
  'running',
);

const structured = v.strictObject({
  command: v.pipe(
    iniLine,
    v.description('Program and arguments as supervisor reads them: quotes as in a shell, "%" written "%%".'),
  ),
  ensure,
  user: v.optional(v.pipe(accountName, v.description('Account that the program runs as. Default: root.'))),
  directory: v.optional(v.pipe(absolutePath, v.description('Working directory.'))),
  environment: v.optional(
    v.pipe(
      environmentMap,
      v.description('Environment variables, added to those of supervisord itself. Any text goes.'),
    ),
    {},
  ),
  autostart: v.optional(v.pipe(v.boolean(), v.description('Starts with supervisord. Default: true.')), true),
  autorestart: v.optional(
    v.pipe(
      v.union([v.boolean(), v.literal('unexpected')], 'expected true, false or "unexpected"'),
      v.description('Whether supervisord starts the program again when it ends. Default: unexpected.'),
    ),
    'unexpected',
  ),
  startsecs: v.optional(
    v.pipe(count, v.description('Seconds that it must stay up to count as started. Default: 1.')),
    1,
  ),
  startretries: v.optional(v.pipe(count, v.description('Attempts before supervisord gives up. Default: 3.')), 3),
  exitcodes: v.optional(
    v.pipe(v.array(v.pipe(count, v.maxValue(255))), v.description('Expected exit codes. Default: 0.')),
    [0],
  ),
  stopsignal: v.optional(
    v.pipe(
      v.picklist(signals, `expected one of ${signals.join(', ')}`),
      v.description('Signal that stops it. Default: TERM.'),
    ),
    'TERM',
  ),
  stopwaitsecs: v.optional(v.pipe(count, v.description('Seconds from that signal to SIGKILL. Default: 10.')), 10),
  stopasgroup: v.optional(
    v.pipe(v.boolean(), v.description('Signals the whole process group on stop. Default: false.')),
    false,
  ),
  killasgroup: v.optional(
    v.pipe(v.boolean(), v.description('Kills the whole process group. Default: as stopasgroup.')),
  ),
  numprocs: v.optional(v.pipe(positiveInteger, v.description('Number of processes. Default: 1.')), 1),
  priority: v.optional(v.pipe(count, v.description('Order of start, lowest first. Default: 999.')), 999),
  umask: v.optional(v.pipe(fileMode, v.description('File mode creation mask, such as "022".'))),
  redirect_stderr: v.optional(
    v.pipe(v.boolean(), v.description('Standard error goes where standard output goes. Default: false.')),
    false,
  ),
  stdout_logfile: v.optional(v.pipe(logFile, v.description('Where standard output goes. Default: AUTO.')), 'AUTO'),
  stdout_logfile_maxbytes: v.optional(
    v.pipe(byteSize, v.description('Size at which it is rotated. Default: 50MB.')),
    '50MB',
  ),
  stdout_logfile_backups: v.optional(v.pipe(count, v.description('Rotated files that are kept. Default: 10.')), 10),
  stderr_logfile: v.optional(v.pipe(logFile, v.description('Where standard error goes. Default: AUTO.')), 'AUTO'),
  stderr_logfile_maxbytes: v.optional(
    v.pipe(byteSize, v.description('Size at which it is rotated. Default: 50MB.')),
    '50MB',
  ),
  stderr_logfile_backups: v.optional(v.pipe(count, v.description('Rotated files that are kept. Default: 10.')), 10),
});

const whole = v.pipe(
  v.strictObject({
    content: v.optional(
      v.pipe(secretText, v.description("The whole text of the file, in supervisor's own language; may hold secrets.")),
    ),
    template: v.optional(
      v.pipe(
        v.string('expected the path of a template'),
        v.description('A Mustache template below `desired-state/templates/`; the compiler renders it into `content`.'),
      ),
    ),
    source: v.optional(
      v.pipe(
        v.string('expected the path of a file'),
        v.description('A file below `desired-state/files/` that is copied as it is.'),
      ),
    ),
    ensure,
  }),
  v.check(
    ({ content, template, source }) => [content, template, source].filter((given) => given !== undefined).length === 1,
    'expected exactly one of "command", "content", "template" and "source"',
  ),
  v.transform(({ content = '', ensure: wanted }) => ({ content, ensure: wanted })),
);

const absent = v.strictObject({
  ensure: v.pipe(
    v.literal('absent', 'expected "absent", or the key "command"'),
    v.description('The program is not there.'),
  ),
});

export type ProgramSpec = v.InferOutput<typeof structured>;

const group = v.strictObject({
  programs: v.pipe(
    v.array(programName),
    v.minLength(1, 'expected at least one program'),
    v.description('Programs of this file that are started and stopped together.'),
  ),
  priority: v.optional(v.pipe(count, v.description('Order of start, lowest first. Default: 999.')), 999),
});

const entry = v.pipe(
  v.strictObject({
    programs: v.optional(
      v.pipe(
        v.record(
          programName,
          v.union(
            [
              v.pipe(
                v.literal('absent'),
                v.transform(() => ({ ensure: 'absent' as const })),
              ),
              structured,
              whole,
              absent,
            ],
            'expected a map with "command" or "content"',
          ),
        ),
        v.description('Programs by name; each is one file in /etc/supervisor/conf.d.'),
      ),
      {},
    ),
    groups: v.optional(v.pipe(v.record(programName, group), v.description('Groups of programs by name.')), {}),
    purge: v.optional(
      v.pipe(
        v.boolean(),
        v.description('Removes the files in /etc/supervisor/conf.d that nothing here declares. Default: false.'),
      ),
      false,
    ),
  }),
  v.check(
    ({ programs, groups }) =>
      Object.values(groups).every((one) => one.programs.every((name) => Object.hasOwn(programs, name))),
    'a group names a program that is not declared here',
  ),
  v.check(
    ({ programs, groups }) => Object.keys(groups).every((name) => !Object.hasOwn(programs, name)),
    'a group has the name of a program: supervisor cannot tell them apart',
  ),
);

/** Everything that a manifest says about supervisor's programs. */
export const supervisor = defineKind({
  form: 'whole',
  entry,
  description: 'Programs that supervisor keeps running, each a file in /etc/supervisor/conf.d.',
  owns: (_name, spec) => [
    ...Object.keys(spec.programs).map((name) => `/etc/supervisor/conf.d/${name}.conf`),
    ...Object.keys(spec.groups).map((name) => `/etc/supervisor/conf.d/group-${name}.conf`),
  ],
});

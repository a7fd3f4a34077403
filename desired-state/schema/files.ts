import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { accountName, fileMode, normalPath, secretText } from './values.ts';

const EXACTLY_ONE = 'expected exactly one of "content", "template" and "source"';

const entry = v.pipe(
  v.strictObject({
    ensure: v.optional(
      v.pipe(
        v.picklist(['present', 'absent'], 'expected "present" or "absent"'),
        v.description('`absent` removes the file. Default `present`.'),
      ),
      'present',
    ),
    content: v.optional(
      v.pipe(secretText, v.description('The whole text of the file, byte for byte; may hold secrets.')),
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
        v.description('A file below `desired-state/files/` that is copied as it is; the compiler reads it.'),
      ),
    ),
    owner: v.optional(v.pipe(accountName, v.description('User that owns the file. Default `root`.')), 'root'),
    group: v.optional(v.pipe(accountName, v.description('Group of the file. Default `root`.')), 'root'),
    mode: v.optional(
      v.pipe(fileMode, v.description('Permission bits, whatever the umask is. Default `"0644"`.')),
      '0644',
    ),
    force: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description(
          'Replaces (or removes) also a directory with something in it, or a device. What holds no data (a symlink, FIFO, socket or an empty directory) is replaced without it. Default `false`.',
        ),
      ),
      false,
    ),
  }),
  v.check(
    (file) => file.ensure === 'absent' || [file.content, file.template, file.source].filter(isGiven).length === 1,
    EXACTLY_ONE,
  ),
  v.check(
    (file) => file.ensure === 'present' || ![file.content, file.template, file.source].some(isGiven),
    'expected no content for a file that shall be absent',
  ),
);

function isGiven(value: unknown): boolean {
  return value !== undefined;
}

export const files = defineKind({
  form: 'each',
  description: 'Regular files: content, owner and mode; the name is the absolute path.',
  entry,
  names: normalPath,
  shorthands: { absent: { ensure: 'absent' } },
  owns: (name) => [name],
});

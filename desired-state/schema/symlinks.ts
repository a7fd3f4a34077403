import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { accountName, normalPath } from './values.ts';

const entry = v.pipe(
  v.strictObject({
    ensure: v.optional(
      v.pipe(
        v.picklist(['present', 'absent'], 'expected "present" or "absent"'),
        v.description('`absent` removes the symlink. Default `present`.'),
      ),
      'present',
    ),
    target: v.optional(
      v.pipe(
        v.string('expected the path that the symlink points to'),
        v.regex(/^[^\0]+$/, 'expected the path that the symlink points to'),
        v.description('What the link says, absolute or relative to its directory. It may point to nothing.'),
      ),
    ),
    owner: v.optional(v.pipe(accountName, v.description('User that owns the link itself. Default `root`.')), 'root'),
    group: v.optional(v.pipe(accountName, v.description('Group of the link itself. Default `root`.')), 'root'),
    force: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description(
          'Replaces (or removes) also a file with content, a directory with something in it, or a device. Default `false`.',
        ),
      ),
      false,
    ),
  }),
  v.check(
    (link) => (link.ensure === 'present') === (link.target !== undefined),
    'expected "target", or "ensure: absent"',
  ),
);

export const symlinks = defineKind({
  form: 'each',
  description: 'Symbolic links: the name is the absolute path of the link.',
  entry,
  names: normalPath,
  shorthands: { absent: { ensure: 'absent' } },
  owns: (name) => [name],
});

import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { accountName, fileMode, normalPath } from './values.ts';
import { isPlainObject } from './walk.ts';

const relativePath = v.pipe(
  v.string('expected a path relative to the directory'),
  v.regex(/^(?!\/)(?!.*(?:^|\/)\.{0,2}(?:\/|$))[^\0]+$/, 'expected a path relative to the directory'),
);

const entry = v.pipe(
  v.strictObject({
    ensure: v.optional(
      v.pipe(
        v.picklist(['present', 'absent'], 'expected "present" or "absent"'),
        v.description('`absent` removes the directory if it is empty, or with all that is in it where `force` is set.'),
      ),
      'present',
    ),
    owner: v.optional(v.pipe(accountName, v.description('User that owns the directory. Default `root`.')), 'root'),
    group: v.optional(v.pipe(accountName, v.description('Group of the directory. Default `root`.')), 'root'),
    mode: v.optional(
      v.pipe(fileMode, v.description('Permission bits, whatever the umask is. Default `"0755"`.')),
      '0755',
    ),
    purge: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description('Removes every entry that no resource of the manifest owns. Default `false`.'),
      ),
      false,
    ),
    keep: v.optional(
      v.pipe(
        v.array(relativePath, 'expected a list of paths'),
        v.description(
          'Paths relative to the directory that `purge` and `recurse` leave alone, with all that is below them. The compiler adds what other resources of the host own there.',
        ),
      ),
      [],
    ),
    recurse: v.optional(
      v.pipe(
        v.strictObject({
          files: v.optional(
            v.pipe(fileMode, v.description('Permission bits of every file below. Default: not managed.')),
          ),
          directories: v.optional(
            v.pipe(fileMode, v.description('Permission bits of every directory below. Default: not managed.')),
          ),
        }),
        v.description(
          "Gives the directory's owner and group to everything below it, and these modes. Symlinks get the owner and are not followed; at most 20 000 entries.",
        ),
      ),
    ),
    force: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description(
          'Replaces also a file with content, a device or a symlink to a directory; with `ensure: absent` removes the whole tree; with `purge` removes also directories with something in them. Default `false`.',
        ),
      ),
      false,
    ),
  }),
  v.check(
    (directory) => directory.ensure === 'present' || !(directory.purge || directory.recurse !== undefined),
    'expected neither "purge" nor "recurse" for a directory that shall be absent',
  ),
);

/** Only where entries would be removed or changed; what is owned below the directory becomes relative to it. */
function sparing(name: string, written: unknown, owned: readonly string[]): unknown {
  if (!isPlainObject(written) || !('purge' in written || 'recurse' in written)) return written;
  const parsed = v.safeParse(entry, written);
  if (!parsed.success || !(parsed.output.purge || parsed.output.recurse !== undefined)) return written;
  const below = owned.filter((path) => path.startsWith(`${name}/`)).map((path) => path.slice(name.length + 1));
  if (below.length === 0) return written;
  return { ...written, keep: [...new Set([...parsed.output.keep, ...below])] };
}

export const directories = defineKind({
  form: 'each',
  description: 'Directories: owner and mode, of a whole tree where wanted, and removal of what nobody declared.',
  entry,
  names: normalPath,
  shorthands: { present: {}, absent: { ensure: 'absent' } },
  owns: (name) => [name],
  sparing,
});

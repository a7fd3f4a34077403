import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { reveal } from './secret.ts';
import { absolutePath, accountId, newAccountName, secretText } from './values.ts';

/** crypt(5): `$y$…`, `$6$…`; never the password itself. */
const passwordHash = v.pipe(
  secretText,
  v.check(
    (text) => /^\$[a-z0-9]+\$[^:\s]+$/.test(reveal(text)),
    'expected a password hash of crypt(5) such as "$y$…" (made by "mkpasswd"), not the password itself',
  ),
);

const textField = v.pipe(v.string('expected text'), v.regex(/^[^:\n]*$/, 'expected text without ":" in one line'));

const entry = v.pipe(
  v.strictObject({
    ensure: v.optional(
      v.pipe(
        v.picklist(['present', 'absent'], 'expected "present" or "absent"'),
        v.description('`absent` removes the user, unless processes of it run. Default `present`.'),
      ),
      'present',
    ),
    uid: v.optional(v.pipe(accountId, v.description('Numeric id. Default: what the host assigns, and is then kept.'))),
    group: v.optional(
      v.pipe(
        newAccountName,
        v.description('Primary group. Default: a group of the same name, made with the user; not managed afterwards.'),
      ),
    ),
    groups: v.optional(
      v.pipe(
        v.array(newAccountName, 'expected a list of groups'),
        v.description('All further groups that the user is in. Default: not managed.'),
      ),
    ),
    home: v.optional(
      v.pipe(absolutePath, v.description('Home directory. Default: `/home/NAME` when the user is made.')),
    ),
    create_home: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description(
          'Makes the home directory (0700, with the files of /etc/skel) where it is missing. Default: only for users that are not system users.',
        ),
      ),
    ),
    shell: v.optional(
      v.pipe(absolutePath, v.description('Login shell. Default: `/bin/bash`, for system users `/usr/sbin/nologin`.')),
    ),
    comment: v.optional(v.pipe(textField, v.description('Full name or purpose (GECOS). Default: not managed.'))),
    system: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description('Takes an id from the range of system users when the user is made. Default `false`.'),
      ),
      false,
    ),
    password: v.optional(
      v.pipe(passwordHash, v.description('Password hash of crypt(5), from a secret. Default: not managed.')),
    ),
    locked: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description('`true` forbids a login by password (keys still work). Default: not managed.'),
      ),
    ),
    remove_home: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description('With `ensure: absent`: removes the home directory and the mail, too. Default `false`.'),
      ),
      false,
    ),
  }),
  v.check(
    (user) => user.locked !== false || user.password !== undefined,
    'expected a "password" beside "locked: false": without one there is nothing to unlock',
  ),
);

export const users = defineKind({
  form: 'each',
  description: 'Users of the operating system.',
  entry,
  names: newAccountName,
  shorthands: { present: {}, absent: { ensure: 'absent' } },
});

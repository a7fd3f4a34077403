import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { accountId, newAccountName } from './values.ts';

const entry = v.pipe(
  v.strictObject({
    ensure: v.optional(
      v.pipe(
        v.picklist(['present', 'absent'], 'expected "present" or "absent"'),
        v.description('`absent` removes the group. Default `present`.'),
      ),
      'present',
    ),
    gid: v.optional(v.pipe(accountId, v.description('Numeric id. Default: what the host assigns, and is then kept.'))),
    system: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description('Takes an id from the range of system groups when the group is made. Default `false`.'),
      ),
      false,
    ),
  }),
  v.check((group) => group.ensure === 'present' || group.gid === undefined, 'expected no gid for an absent group'),
);

export const groups = defineKind({
  form: 'each',
  description: 'Groups of the operating system. Who is a member is said by `users`.',
  entry,
  names: newAccountName,
  shorthands: { present: {}, absent: { ensure: 'absent' } },
});

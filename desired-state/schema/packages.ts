import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { duration } from './values.ts';

/** Debian policy 5.6.1, with `:architecture` for a foreign one. */
export const packageName = v.pipe(
  v.string('expected the name of a package'),
  v.regex(/^[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?$/, 'expected the name of a Debian package (lower case)'),
);

const RANGE = /^(?:>=|<=|>>|<<|>|<|=) *[^\s,]+(?: *, *(?:>=|<=|>>|<<|>|<|=) *[^\s,]+)*$/;

/** `1.22.1-9`, `1.22.*`, or `>= 1.20, < 1.24`. */
export const versionPattern = v.pipe(
  v.string('expected a version'),
  v.check(
    (text) => /^\d[A-Za-z0-9.+:~*?-]*$/.test(text) || RANGE.test(text),
    'expected a version ("1.22.1-9"), one with wildcards ("1.22.*") or a range (">= 1.20, < 1.24")',
  ),
);

const options = v.pipe(
  v.strictObject({
    ensure: v.optional(
      v.pipe(
        v.picklist(['present', 'absent', 'latest'], 'expected "present", "absent" or "latest"'),
        v.description('`latest` follows the candidate of apt. Default `present`: any version will do.'),
      ),
      'present',
    ),
    version: v.optional(
      v.pipe(
        versionPattern,
        v.description(
          'The version that it must have: `1.22.1-9`, `1.22.*`, or `>= 1.20, < 1.24`. Of several the newest is taken.',
        ),
      ),
    ),
    held: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description(
          'Marks the package so that nobody else upgrades or removes it (`apt-mark hold`); Holdfast itself still brings it to `version`. `false` takes the mark off. Default: not managed, and then a hold set by hand is never overruled.',
        ),
      ),
    ),
    allow_downgrade: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description('Consent to going back to an older version. Default `false`.'),
      ),
      false,
    ),
    recommends: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description('Whether to install what the package recommends. Default: as apt is configured on the host.'),
      ),
    ),
    purge: v.optional(
      v.pipe(
        v.boolean('expected true or false'),
        v.description('With `ensure: absent`: removes its configuration, too. Default `false`.'),
      ),
      false,
    ),
    refresh: v.optional(
      v.pipe(
        duration,
        v.description('With `ensure: latest`: the age at which the package lists are fetched again. Default `24h`.'),
      ),
      '24h',
    ),
  }),
  v.check(
    (one) => one.version === undefined || one.ensure === 'present',
    'expected "version" only with "ensure: present"',
  ),
  v.check(
    (one) => !(one.held === true && one.ensure !== 'present'),
    'expected "held: true" only with "ensure: present" (and a "version" to move it)',
  ),
  v.check((one) => !one.purge || one.ensure === 'absent', 'expected "purge" only with "ensure: absent"'),
);

const WORDS = 'expected "present", "absent", "latest", a version such as "1.22.*" or a range such as ">= 1.20"';

const word = v.pipe(
  v.union([v.picklist(['present', 'absent', 'latest'], WORDS), versionPattern], WORDS),
  v.transform((text): v.InferInput<typeof options> => {
    if (text === 'present' || text === 'absent' || text === 'latest') return { ensure: text };
    return { version: text };
  }),
  options,
);

/**
 * The section is the map of names itself, as short as it can be; the sources that packages come from are a section of
 * their own (`repositories`), so that no word in here can be mistaken for the name of a package.
 */
export const packages = defineKind({
  form: 'whole',
  description:
    'Debian packages: present, absent, latest, pinned to a version, held. All are brought about by one call of apt.',
  entry: v.pipe(
    v.record(packageName, v.union([word, options], WORDS), 'expected a map of package names'),
    v.transform((declared) => ({ packages: declared })),
  ),
});

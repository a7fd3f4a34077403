import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { reveal } from './secret.ts';
import { absolutePath, secretText } from './values.ts';

const repositoryName = v.pipe(
  v.string('expected a name'),
  v.regex(/^[a-z0-9][a-z0-9_-]*$/, 'expected a name of lower-case letters, digits, - and _, which becomes a file name'),
);

const field = v.pipe(v.string('expected text'), v.regex(/^\S+$/, 'expected one word'));
const words = v.pipe(
  v.union(
    [
      v.pipe(
        field,
        v.transform((one) => [one]),
      ),
      v.array(field),
    ],
    'expected a word or a list of words',
  ),
  v.minLength(1, 'expected at least one word'),
);

const armouredKey = v.pipe(
  secretText,
  v.check(
    (text) => reveal(text).trim().startsWith('-----BEGIN PGP PUBLIC KEY BLOCK-----'),
    'expected a public key as text, beginning with "-----BEGIN PGP PUBLIC KEY BLOCK-----" (made by "gpg --armor --export")',
  ),
);

const repository = v.pipe(
  v.strictObject({
    types: v.optional(
      v.pipe(
        v.array(v.picklist(['deb', 'deb-src'], 'expected "deb" or "deb-src"')),
        v.description('`deb` for packages, `deb-src` for their sources. Default `[deb]`.'),
      ),
      ['deb'],
    ),
    uris: v.pipe(words, v.description('Where it is: one URI or several mirrors of the same.')),
    suites: v.pipe(words, v.description('Such as `bookworm`, or a path that ends in `/` for a flat repository.')),
    components: v.optional(v.pipe(words, v.description('Such as `main`. Default `main`; none for a flat repository.'))),
    architectures: v.optional(v.pipe(words, v.description('Default: those of the host.'))),
    key: v.optional(
      v.pipe(
        armouredKey,
        v.description('The public key that signs it, as text; it is trusted for this repository alone.'),
      ),
    ),
    signed_by: v.optional(v.pipe(absolutePath, v.description('A keyring that is on the host, instead of `key`.'))),
  }),
  v.check(
    (one) => (one.key === undefined) !== (one.signed_by === undefined),
    'expected exactly one of "key" and "signed_by": a repository that nobody signs is not used',
  ),
);

const SOURCES = '/etc/apt/sources.list.d';
const KEYRINGS = '/etc/apt/keyrings';

/** Where a repository of this name stands on the host. */
export function repositoryPaths(name: string): { readonly source: string; readonly key: string } {
  return { source: `${SOURCES}/${name}.sources`, key: `${KEYRINGS}/${name}.asc` };
}

export const repositories = defineKind({
  form: 'whole',
  description: 'Package repositories beside those of the distribution, with their keys. `packages` waits for them.',
  entry: v.pipe(
    v.record(
      repositoryName,
      v.union([v.literal('absent'), repository], 'expected a repository or "absent"'),
      'expected a map of names to repositories',
    ),
    v.transform((declared) => ({ repositories: declared })),
  ),
  owns: (_name, spec) => Object.keys(spec.repositories).flatMap((name) => Object.values(repositoryPaths(name))),
});

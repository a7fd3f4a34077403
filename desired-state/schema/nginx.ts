import * as v from 'valibot';
import { defineKind } from './kind.ts';
import { secretText } from './values.ts';

const flag = v.boolean('expected true or false');

/** Exactly one of the three; the compiler turns the other two into `content` before an agent sees them. */
const text = {
  content: v.pipe(v.optional(secretText), v.description('The whole text of the file; may hold secrets.')),
  template: v.pipe(
    v.optional(v.string('expected the path of a template')),
    v.description('A Mustache template below `desired-state/templates/`; the compiler renders it into `content`.'),
  ),
  source: v.pipe(
    v.optional(v.string('expected the path of a file')),
    v.description('A file below `desired-state/files/` that is copied as it is.'),
  ),
};

function hasOneText(entry: { content?: unknown; template?: unknown; source?: unknown }): boolean {
  return [entry.content, entry.template, entry.source].filter((given) => given !== undefined).length === 1;
}

const ONE_TEXT = 'expected exactly one of "content", "template" and "source"';
const absent = v.literal('absent', 'expected "absent", or a map with "template", "source" or "content"');

const site = v.union([
  absent,
  v.pipe(
    v.strictObject({
      ...text,
      enabled: v.pipe(v.optional(flag, true), v.description('Whether nginx serves it, or it only lies ready.')),
      certificate: v.pipe(
        v.optional(v.string('expected the name of a certificate')),
        v.description('Name of the entry of `certificates` that it uses: that comes first.'),
      ),
    }),
    v.check((given) => hasOneText(given), ONE_TEXT),
  ),
]);

const fragment = v.union([
  absent,
  v.pipe(
    v.strictObject(text),
    v.check((given) => hasOneText(given), ONE_TEXT),
  ),
]);

const fileName = v.pipe(
  v.string('expected a name'),
  v.regex(
    /^[A-Za-z0-9][\w.+-]*$/,
    'expected a file name of letters, digits and . _ + - that starts with a letter or digit',
  ),
);

const entry = v.strictObject({
  sites: v.pipe(
    v.optional(v.record(fileName, site, 'expected a map of sites'), {}),
    v.description(
      'Files in sites-available, by name, with their links in sites-enabled. `default: absent` drops Debian’s own.',
    ),
  ),
  conf: v.pipe(
    v.optional(v.record(fileName, fragment, 'expected a map of fragments'), {}),
    v.description('Fragments for the http block in conf.d, by name; `.conf` is added.'),
  ),
  main: v.pipe(
    v.optional(
      v.pipe(
        v.strictObject(text),
        v.check((given) => hasOneText(given), ONE_TEXT),
      ),
    ),
    v.description('The whole nginx.conf. Default: what the package brings.'),
  ),
  purge: v.pipe(
    v.optional(flag, false),
    v.description(
      'Takes away what stands in sites-enabled and is not declared here, such as a site put there by hand.',
    ),
  ),
  running: v.pipe(
    v.optional(flag, true),
    v.description('Whether nginx runs and is enabled. With false its files are kept right and it is left as it is.'),
  ),
});

/** The nginx tree of a host, `/etc/nginx`, in Debian's layout: tested as a whole, swapped in one step, reloaded, verified. */
export const nginx = defineKind({
  form: 'whole',
  entry,
  description:
    'The nginx tree: sites, fragments and nginx.conf, tested as a whole and swapped in one step, then reloaded.',
  owns: (_name, { sites, conf, main }) => [
    ...Object.keys(sites).flatMap((name) => [`/etc/nginx/sites-available/${name}`, `/etc/nginx/sites-enabled/${name}`]),
    ...Object.keys(conf).map((name) => `/etc/nginx/conf.d/${confFile(name)}`),
    ...(main === undefined ? [] : ['/etc/nginx/nginx.conf']),
  ],
});

/** nginx includes `conf.d/*.conf`: a fragment without that ending would silently do nothing. */
export function confFile(name: string): string {
  return name.endsWith('.conf') ? name : `${name}.conf`;
}

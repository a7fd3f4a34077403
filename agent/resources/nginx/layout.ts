import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import { confFile } from '../../../desired-state/schema/nginx.ts';
import { type MaybeSecret, Secret } from '../../../desired-state/schema/secret.ts';

export type NginxSpec = SpecOf['nginx'];

export const TREE = '/etc/nginx';
/** The tree that is being tested, or the one that was just replaced; on the same file system, so that they can be swapped. */
export const SHADOW = '/etc/.nginx.holdfast';
export const BINARY = '/usr/sbin/nginx';

/** What shall stand at a path, relative to the tree. `owner`: how a person calls it, such as `site "todo"`. */
export type Wanted =
  | {
      readonly type: 'file';
      readonly path: string;
      readonly owner: string;
      readonly content: MaybeSecret;
      readonly mode: number;
    }
  | { readonly type: 'link'; readonly path: string; readonly owner: string; readonly target: string }
  | { readonly type: 'absent'; readonly path: string; readonly owner: string };

/** Files before the links to them, which is also the order in which a person wants to read them. */
export function wantedEntries(spec: NginxSpec): readonly Wanted[] {
  const main = spec.main === undefined ? [] : [file('nginx.conf', 'nginx.conf', spec.main.content)];
  const conf = Object.entries(spec.conf).map(([name, entry]): Wanted => {
    const path = `conf.d/${confFile(name)}`;
    const owner = `fragment "${name}"`;
    return entry === 'absent' ? { type: 'absent', path, owner } : file(path, owner, entry.content);
  });
  const sites = Object.entries(spec.sites).flatMap(([name, entry]): Wanted[] => {
    const [available, enabled] = [`sites-available/${name}`, `sites-enabled/${name}`];
    const owner = `site "${name}"`;
    if (entry === 'absent') return [enabled, available].map((path) => ({ type: 'absent', path, owner }));
    const link: Wanted = entry.enabled
      ? { type: 'link', path: enabled, owner, target: `${TREE}/${available}` }
      : { type: 'absent', path: enabled, owner };
    return [file(available, owner, entry.content), link];
  });
  return [...main, ...conf, ...sites];
}

/** The compiler has rendered templates into `content`; without it the manifest did not come from there. */
function file(path: string, owner: string, content: MaybeSecret | undefined): Wanted {
  if (content === undefined) throw new Error(`${owner} of nginx has no content: its template was not rendered`);
  return { type: 'file', path, owner, content, mode: content instanceof Secret ? 0o600 : 0o644 };
}

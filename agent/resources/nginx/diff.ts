import { join, resolve } from 'node:path';
import { type MaybeSecret, reveal } from '../../../desired-state/schema/secret.ts';
import { type NginxSpec, TREE, type Wanted, wantedEntries } from './layout.ts';
import type { Found, NginxState } from './observe.ts';

/** One entry of the tree that becomes another; `path` is relative to the tree. */
export type Edit =
  | {
      readonly type: 'write';
      readonly path: string;
      readonly owner: string;
      readonly found: Found;
      readonly content: MaybeSecret;
      readonly mode: number;
    }
  | {
      readonly type: 'link';
      readonly path: string;
      readonly owner: string;
      readonly found: Found;
      readonly target: string;
    }
  | {
      readonly type: 'remove';
      readonly path: string;
      readonly owner: string;
      readonly found: Found;
      readonly why: 'declared absent' | 'purged';
    };

/** What makes the processes run the tree: the cheapest that does. `none`: nginx is not ours to run. */
export type Activation = 'start' | 'reload' | 'none';

export type NginxChange =
  | { readonly type: 'clean' }
  | { readonly type: 'unmask' }
  | { readonly type: 'swap'; readonly edits: readonly Edit[]; readonly activation: Activation; readonly owners: Owners }
  | {
      readonly type: 'activate';
      readonly activation: 'start' | 'reload';
      readonly reason: string;
      readonly owners: Owners;
    }
  | { readonly type: 'enable'; readonly is: string };

/** Who a path of the tree belongs to, for errors: `sites-enabled/todo` → `site "todo"`. */
export type Owners = ReadonlyMap<string, { readonly owner: string; readonly content?: MaybeSecret }>;

export function diff(spec: NginxSpec, state: NginxState): readonly NginxChange[] {
  const wanted = wantedEntries(spec);
  const edits = wanted.flatMap((entry) => editOf(entry, state.found.get(entry.path) ?? { type: 'absent' }));
  if (spec.purge)
    for (const [path, found] of state.unmanaged) edits.push(removal(path, 'not declared', found, 'purged'));
  const owners: Owners = new Map(wanted.map((entry) => [entry.path, ownerOf(entry, wanted)]));
  const running = state.unit.active === 'active' || state.unit.active === 'reloading';
  const masked = state.unit.load === 'masked' || state.unit.unitFile.startsWith('masked');

  const changes: NginxChange[] = [];
  if (state.leftover) changes.push({ type: 'clean' });
  if (spec.running && masked) changes.push({ type: 'unmask' });
  if (edits.length > 0) {
    const activation = running ? 'reload' : spec.running ? 'start' : 'none';
    changes.push({ type: 'swap', edits, activation, owners });
  } else if (!running && spec.running) {
    const { active, sub, result } = state.unit;
    const failure = result === '' || result === 'success' ? '' : `, ${result}`;
    changes.push({ type: 'activate', activation: 'start', reason: `it is ${active}/${sub}${failure}`, owners });
  } else if (running && state.newerThanWorkers.length > 0) {
    const reason = `its workers run since before a change of ${listed(state.newerThanWorkers)}`;
    changes.push({ type: 'activate', activation: 'reload', reason, owners });
  }
  if (spec.running && (masked || NOT_AT_BOOT.has(state.unit.unitFile))) {
    changes.push({ type: 'enable', is: state.unit.unitFile });
  }
  return changes;
}

/** `absent` only where nginx is not installed: the package enables it. */
const NOT_AT_BOOT = new Set(['disabled', 'enabled-runtime', 'linked', 'linked-runtime']);

function editOf(wanted: Wanted, found: Found): Edit[] {
  const { path, owner } = wanted;
  switch (wanted.type) {
    case 'absent':
      return found.type === 'absent' ? [] : [removal(path, owner, found, 'declared absent')];
    case 'link': {
      // Debian links by absolute path, people often by a relative one: both are right.
      const same = found.type === 'link' && resolve(join(TREE, 'sites-enabled'), found.target) === wanted.target;
      return same ? [] : [{ type: 'link', path, owner, found, target: wanted.target }];
    }
    case 'file': {
      const { content, mode } = wanted;
      const owned = found.type === 'file' && found.uid === 0 && found.gid === 0 && found.mode === mode;
      const same = owned && found.text === reveal(content);
      return same ? [] : [{ type: 'write', path, owner, found, content, mode }];
    }
  }
}

function removal(path: string, owner: string, found: Found, why: 'declared absent' | 'purged'): Edit {
  return { type: 'remove', path, owner, found, why };
}

function ownerOf(entry: Wanted, all: readonly Wanted[]): { owner: string; content?: MaybeSecret } {
  if (entry.type === 'file') return { owner: entry.owner, content: entry.content };
  const file = all.find((other) => other.type === 'file' && other.owner === entry.owner);
  return file?.type === 'file' ? { owner: entry.owner, content: file.content } : { owner: entry.owner };
}

function listed(paths: readonly string[]): string {
  const shown = paths.slice(0, 3).join(', ');
  return paths.length > 3 ? `${shown} and ${paths.length - 3} more` : shown;
}

import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { SpecOf } from '../../../desired-state/schema/kinds.ts';
import { reveal, toWire } from '../../../desired-state/schema/secret.ts';
import type { SealedTree } from '../../host/trees/port.ts';
import { CONF_DIRECTORY } from '../shared/supervisor-program.ts';

export type Spec = SpecOf['releases'];
/** The two slots that take turns: one serves, the next release is started in the other. */
export type Colour = 'blue' | 'green';
export const COLOURS: readonly Colour[] = ['blue', 'green'];

export function otherColour(colour: Colour): Colour {
  return colour === 'blue' ? 'green' : 'blue';
}

/** Kinds of trees that are built once: `releases/<commit>`, `venvs/<hash>`, `static/<release>-<venv>`. */
export type TreeKind = 'releases' | 'venvs' | 'static';

/** Where everything of one application lies. Pure. */
export interface Layout {
  readonly user: string;
  readonly group: string;
  readonly directory: string;
  readonly media: string;
  readonly current: string;
  readonly currentStatic: string;
  readonly runDirectory: string;
  readonly socket: string;
  readonly logDirectory: string;
  readonly log: string;
  readonly tmpfiles: string;
  /** Of root alone: the mirror, the seals, the history and the quarantine. */
  readonly state: string;
  readonly mirror: string;
  readonly ledger: string;
}

export function layoutOf(spec: Spec): Layout {
  const directory = spec.directory ?? `/srv/${spec.name}`;
  const socket = spec.socket ?? `/run/${spec.name}/gunicorn.sock`;
  const log = spec.log ?? `/var/log/${spec.name}/gunicorn.log`;
  const state = `/var/lib/holdfast/releases/${spec.name}`;
  return {
    user: spec.user ?? spec.name,
    group: spec.group,
    directory,
    media: join(directory, 'media'),
    current: join(directory, 'current'),
    currentStatic: join(directory, 'static', 'current'),
    runDirectory: dirname(socket),
    socket,
    logDirectory: dirname(log),
    log,
    tmpfiles: `/etc/tmpfiles.d/holdfast-${spec.name}.conf`,
    state,
    // Another repository has another mirror, so that objects of two histories never mix.
    mirror: join(state, `git-${shortHash(reveal(spec.repository))}`),
    ledger: join(state, 'ledger.json'),
  };
}

export function slotGroup(spec: Spec, colour: Colour): string {
  return `${spec.name}-${colour}`;
}

export function slotFile(spec: Spec, colour: Colour): string {
  return join(CONF_DIRECTORY, `release-${spec.name}-${colour}.conf`);
}

export function slotSocket(layout: Layout, colour: Colour): string {
  return join(layout.runDirectory, `${colour}.sock`);
}

/** Where gunicorn makes its control socket, if it is there: the slots must not share one. */
export function slotDirectory(layout: Layout, colour: Colour): string {
  return join(layout.runDirectory, colour);
}

export function treeOf(layout: Layout, kind: TreeKind, name: string): SealedTree {
  return {
    root: join(layout.directory, kind, name),
    seal: join(layout.state, 'seals', kind, name),
    // In a virtualenv, `lib/python3.11/site-packages/<package>` is four deep.
    alwaysDepth: kind === 'venvs' ? 4 : 2,
  };
}

export function releaseName(commit: string): string {
  return commit.slice(0, 12);
}

/** A tree that is damaged is built anew under the next name, so that what runs from the old one goes on undisturbed. */
export function generation(base: string, number: number): string {
  return number === 0 ? base : `${base}.${number}`;
}

/** The number of a name that `generation` gave; `undefined` for another name. */
export function generationOf(base: string, name: string): number | undefined {
  if (name === base) return 0;
  const suffix = name.startsWith(`${base}.`) ? name.slice(base.length + 1) : '';
  return /^[1-9]\d*$/.test(suffix) ? Number(suffix) : undefined;
}

export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** Changes with anything that the manifest says about the application: a quarantine ends with it. */
export function fingerprint(spec: Spec): string {
  return createHash('sha256')
    .update(JSON.stringify(toWire(spec)))
    .digest('hex');
}

export function sourceOf(spec: Spec): { readonly repository: string; readonly ref: string } {
  const ref = spec.tag === undefined ? `refs/heads/${spec.branch ?? 'master'}` : `refs/tags/${spec.tag}`;
  return { repository: reveal(spec.repository), ref };
}

export function refText(spec: Spec): string {
  if (spec.commit !== undefined) return `commit ${releaseName(spec.commit)}`;
  return spec.tag === undefined ? `branch ${spec.branch ?? 'master'}` : `tag ${spec.tag}`;
}

import { join } from 'node:path';
import { reveal } from '../../../desired-state/schema/secret.ts';
import type { Lookup } from '../../host/git/port.ts';
import type { HostReader } from '../../host/host.ts';
import { BrokenConfiguration, type ConfigChanges, type SupervisedProcess } from '../../host/supervisor/port.ts';
import { lookUpOwner } from '../shared/ownership.ts';
import { type FoundTrees, findTrees, releaseInText, treesInText } from './find-trees.ts';
import { type Health, probeHealth } from './health.ts';
import {
  COLOURS,
  type Colour,
  type Layout,
  layoutOf,
  type Spec,
  shortHash,
  slotFile,
  slotGroup,
  slotSocket,
  sourceOf,
} from './layout.ts';
import { type LayoutProblem, layoutProblems } from './layout-problems.ts';
import { type Ledger, quarantined, readLedger } from './ledger.ts';

export interface SlotState {
  /** `undefined`: the slot has no file. */
  readonly text: string | undefined;
  readonly mode: number;
  readonly processes: readonly SupervisedProcess[];
  /** Its socket is there. */
  readonly hasSocket: boolean;
}

export interface State {
  readonly now_ms: number;
  /** What the ref is; the last known commit where the remote does not answer. */
  readonly wanted: Lookup;
  readonly ledger: Ledger;
  readonly slots: Readonly<Record<Colour, SlotState>>;
  /** The slot that serves; `undefined` where nothing was deployed yet. */
  readonly live: Colour | undefined;
  /** Of the commit that shall run: the wanted one, or the running one where the wanted one is in quarantine. */
  readonly trees: FoundTrees | undefined;
  readonly supervisorAnswers: boolean;
  readonly changes: ConfigChanges;
  readonly links: { readonly socket?: string; readonly current?: string; readonly currentStatic?: string };
  readonly tmpfiles: string | undefined;
  readonly layoutProblems: readonly LayoutProblem[];
  /** Every tree that is there, as `kind/name`. */
  readonly present: readonly string[];
  /** Of the live slot, asked only in the time after a switch in which a bad turn leads back. */
  readonly health: Health | undefined;
}

const NO_CHANGES: ConfigChanges = { added: [], changed: [], removed: [] };

export async function observe(spec: Spec, host: HostReader): Promise<State> {
  const layout = layoutOf(spec);
  const ledger = await readLedger(host.files, layout);
  const supervised = await host.supervisor.processes();
  const slots = {
    blue: await observeSlot(spec, 'blue', supervised ?? [], host),
    green: await observeSlot(spec, 'green', supervised ?? [], host),
  };
  const tmpfiles = await host.files.readText(layout.tmpfiles);
  const socket = await host.files.readLink(layout.socket);
  const live = liveColour(slots, socket, tmpfiles);
  const wanted = await lookUp(spec, ledger, host);
  const inUse = new Set(COLOURS.flatMap((colour) => treesInText(layout, slots[colour].text ?? '')));
  const commit = commitToHold(spec, layout, ledger, wanted, live === undefined ? undefined : slots[live].text);
  const current = await host.files.readLink(layout.current);
  const currentStatic = await host.files.readLink(layout.currentStatic);
  const ids = await lookUpOwner(host.accounts, { owner: layout.user, group: layout.group });
  return {
    now_ms: host.now(),
    wanted,
    ledger,
    slots,
    live,
    trees: commit === undefined ? undefined : await findTrees(spec, layout, commit, inUse, 'slice', host),
    supervisorAnswers: supervised !== undefined,
    changes: supervised === undefined ? NO_CHANGES : await readChanges(host),
    links: {
      ...(socket === undefined ? {} : { socket }),
      ...(current === undefined ? {} : { current }),
      ...(currentStatic === undefined ? {} : { currentStatic }),
    },
    tmpfiles,
    layoutProblems: await layoutProblems(spec, layout, ids, host),
    present: await presentTrees(layout, host),
    health: await healthInGrace(spec, ledger, live, host),
  };
}

async function observeSlot(
  spec: Spec,
  colour: Colour,
  supervised: readonly SupervisedProcess[],
  host: HostReader,
): Promise<SlotState> {
  const path = slotFile(spec, colour);
  const stat = await host.files.stat(path);
  const group = slotGroup(spec, colour);
  return {
    text: stat?.type === 'file' ? await host.files.readText(path) : undefined,
    mode: stat?.mode ?? 0,
    processes: supervised.filter((process) => process.group === group),
    hasSocket: (await host.files.stat(slotSocket(layoutOf(spec), colour)))?.type === 'socket',
  };
}

/** The slot that the socket's link names; after a restart of the host, the one that was to be linked; else one that is there. */
export function liveColour(
  slots: Readonly<Record<Colour, Pick<SlotState, 'text'>>>,
  socket: string | undefined,
  tmpfiles: string | undefined,
): Colour | undefined {
  const remembered = /\s(?<colour>blue|green)\.sock$/m.exec(tmpfiles ?? '')?.groups?.['colour'];
  const named = [socket?.replace(/\.sock$/, ''), remembered, 'blue', 'green'];
  return COLOURS.find((colour) => colour === named.find((name) => isColour(name) && slots[name].text !== undefined));
}

function isColour(text: string | undefined): text is Colour {
  return text === 'blue' || text === 'green';
}

async function lookUp(spec: Spec, ledger: Ledger, host: HostReader): Promise<Lookup> {
  if (spec.commit !== undefined) return { commit: spec.commit };
  const source = sourceOf(spec);
  const lookup = await host.git.remoteCommit(source, spec.poll);
  if ('commit' in lookup) return lookup;
  return ledger.known?.source === sourceKey(spec) ? { commit: ledger.known.commit } : lookup;
}

/** Says which repository and ref a remembered commit belongs to, without the repository's password. */
export function sourceKey(spec: Spec): string {
  return shortHash(`${reveal(spec.repository)} ${sourceOf(spec).ref}`);
}

/** Full where it is known; a running release is only known by what the ledger says of it. */
function commitToHold(
  spec: Spec,
  layout: Layout,
  ledger: Ledger,
  wanted: Lookup,
  liveText: string | undefined,
): string | undefined {
  if ('commit' in wanted && quarantined(ledger, spec, wanted.commit) === undefined) return wanted.commit;
  return liveText === undefined ? undefined : releaseInText(layout, liveText);
}

async function readChanges(host: HostReader): Promise<ConfigChanges> {
  try {
    return (await host.supervisor.configChanges()) ?? NO_CHANGES;
  } catch (error) {
    // Whose file it is and what to do about it is said by the kind "supervisor"; what runs goes on.
    if (error instanceof BrokenConfiguration) return NO_CHANGES;
    throw error;
  }
}

async function presentTrees(layout: Layout, host: HostReader): Promise<readonly string[]> {
  const found: string[] = [];
  for (const kind of ['releases', 'venvs', 'static'] as const) {
    for (const name of (await host.files.list(join(layout.directory, kind))) ?? []) {
      if (name !== 'current') found.push(`${kind}/${name}`);
    }
  }
  return found;
}

async function healthInGrace(
  spec: Spec,
  ledger: Ledger,
  live: Colour | undefined,
  host: HostReader,
): Promise<Health | undefined> {
  const [last, before] = ledger.history;
  // Without a release to go back to, the answer would change nothing.
  if (live === undefined || last === undefined || before === undefined) return undefined;
  if (host.now() - last.switched_ms > spec.health.grace) return undefined;
  return probeHealth(spec, live, host);
}

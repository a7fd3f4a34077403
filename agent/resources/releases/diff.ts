import { join } from 'node:path';
import { reveal } from '../../../desired-state/schema/secret.ts';
import { completeTrees, missingReasons, releaseInText, treesInText } from './find-trees.ts';
import {
  COLOURS,
  type Colour,
  layoutOf,
  otherColour,
  releaseName,
  type Spec,
  slotDirectory,
  slotGroup,
} from './layout.ts';
import type { LayoutProblem } from './layout-problems.ts';
import { type Deployed, quarantined } from './ledger.ts';
import type { State } from './observe.ts';
import { renderSlot, type Trees } from './program.ts';

export type Change =
  | { readonly kind: 'layout'; readonly spec: Spec; readonly problems: readonly LayoutProblem[] }
  | {
      readonly kind: 'deploy';
      readonly spec: Spec;
      /** `undefined`: not known before the remote answers. */
      readonly commit: string | undefined;
      readonly from: string | undefined;
      readonly reasons: readonly string[];
    }
  | {
      readonly kind: 'rollback';
      readonly spec: Spec;
      readonly bad: Deployed;
      readonly to: Deployed;
      readonly reason: string;
    }
  | { readonly kind: 'start'; readonly spec: Spec; readonly colour: Colour; readonly reason: string }
  | {
      readonly kind: 'links';
      readonly spec: Spec;
      readonly colour: Colour;
      readonly trees: LinkedTrees;
      readonly what: readonly string[];
    }
  | { readonly kind: 'drain'; readonly spec: Spec; readonly colour: Colour }
  | { readonly kind: 'prune'; readonly spec: Spec; readonly trees: readonly string[] }
  | { readonly kind: 'refused'; readonly commit: string; readonly running: string; readonly reason: string };

/** What the links of the running release shall name; `static` is `undefined` where nothing is collected. */
export interface LinkedTrees {
  readonly release: string;
  readonly static: string | undefined;
}

const PRIVATE_MODE = 0o600;
const PLAIN_MODE = 0o644;
const CRASHED = new Set(['BACKOFF', 'FATAL', 'EXITED']);
const DOWN = new Set(['STOPPED', 'STOPPING', 'EXITED', 'FATAL', 'UNKNOWN']);

export function diff(spec: Spec, state: State): readonly Change[] {
  const layoutChanges: readonly Change[] =
    state.layoutProblems.length === 0 ? [] : [{ kind: 'layout', spec, problems: state.layoutProblems }];
  const rollback = planRollback(spec, state);
  if (rollback !== undefined) return [...layoutChanges, rollback];
  const refused = planRefusal(spec, state);
  const deploy = planDeploy(spec, state, refused !== undefined);
  if (deploy !== undefined) return [...layoutChanges, deploy, ...(refused === undefined ? [] : [refused])];
  return [...layoutChanges, ...planUpkeep(spec, state), ...(refused === undefined ? [] : [refused])];
}

/** Soon after a switch, a release that turns bad gives way to the one before, if that is still there. */
function planRollback(spec: Spec, state: State): Change | undefined {
  const { live, health, ledger } = state;
  const [bad, to] = ledger.history;
  if (live === undefined || health === undefined || health.ok || bad === undefined || to === undefined)
    return undefined;
  if (
    !state.supervisorAnswers ||
    releaseInText(layoutOf(spec), state.slots[live].text ?? '') !== releaseName(bad.commit)
  )
    return undefined;
  // Stopped, or cut off from its socket, by hand: that is no fault of the release.
  const { processes, hasSocket } = state.slots[live];
  const turnedBad = processes.some(({ state: is }) => (is === 'RUNNING' ? hasSocket : CRASHED.has(is)));
  if (!turnedBad || !runsAsDeclared(spec, state, live, bad)) return undefined;
  if (bad.commit === to.commit || !isPresent(state, to.trees)) return undefined;
  return { kind: 'rollback', spec, bad, to, reason: health.detail };
}

/**
 * What runs otherwise than it is declared, with an older password or from an edited virtualenv, is sick for that: it is
 * set right before its commit is blamed.
 */
function runsAsDeclared(spec: Spec, state: State, live: Colour, { commit }: Deployed): boolean {
  if (!('commit' in state.wanted) || state.wanted.commit !== commit || state.trees === undefined) return true;
  const complete = completeTrees(spec, state.trees);
  if (complete === undefined || state.changes.changed.includes(slotGroup(spec, live))) return false;
  return state.slots[live].text === reveal(renderSlot(spec, live, complete));
}

function isPresent(state: State, trees: Trees): boolean {
  const names = [
    `releases/${trees.release}`,
    `venvs/${trees.venv}`,
    ...(trees.static === undefined ? [] : [`static/${trees.static}`]),
  ];
  return names.every((name) => state.present.includes(name));
}

function planRefusal(spec: Spec, state: State): Change | undefined {
  if (!('commit' in state.wanted)) return undefined;
  const entry = quarantined(state.ledger, spec, state.wanted.commit);
  if (entry === undefined) return undefined;
  const text = state.live === undefined ? undefined : state.slots[state.live].text;
  const running = (text === undefined ? undefined : releaseInText(layoutOf(spec), text)) ?? 'nothing';
  return { kind: 'refused', commit: entry.commit, running, reason: entry.reason };
}

function planDeploy(spec: Spec, state: State, refused: boolean): Change | undefined {
  const { live, wanted } = state;
  const layout = layoutOf(spec);
  const from = live === undefined ? undefined : releaseInText(layout, state.slots[live].text ?? '');
  if ('error' in wanted) {
    if (live !== undefined) return undefined;
    return { kind: 'deploy', spec, commit: undefined, from, reasons: [wanted.error] };
  }
  // In quarantine: what runs stays as it is, whatever the declaration says by now.
  if (refused) return undefined;
  const reasons = deployReasons(spec, state, from, wanted.commit);
  return reasons.length === 0 ? undefined : { kind: 'deploy', spec, commit: wanted.commit, from, reasons };
}

function deployReasons(spec: Spec, state: State, from: string | undefined, commit: string): readonly string[] {
  const { live, trees } = state;
  if (live === undefined) return ['nothing runs yet'];
  const missing = trees === undefined ? [] : missingReasons(trees);
  if (missing.length > 0) return missing;
  if (from === undefined) return ['the declared configuration differs from the one that runs'];
  if (from !== releaseName(commit)) return ['it is built, but another one runs'];
  const complete = trees === undefined ? undefined : completeTrees(spec, trees);
  if (complete === undefined) return ['its trees are not whole'];
  const text = renderSlot(spec, live, complete);
  const slot = state.slots[live];
  const mode = typeof text === 'string' ? PLAIN_MODE : PRIVATE_MODE;
  return [
    ...(slot.text === reveal(text) ? [] : ['the declared configuration differs from the one that runs']),
    ...(slot.mode === mode ? [] : [`the mode of its configuration is 0${slot.mode.toString(8)}`]),
    ...(slot.hasSocket || !slot.processes.some((process) => process.state === 'RUNNING')
      ? []
      : ['its socket is gone while it runs']),
    ...(state.changes.changed.includes(slotGroup(spec, live))
      ? ['supervisor runs it with an older configuration']
      : []),
  ];
}

function planUpkeep(spec: Spec, state: State): readonly Change[] {
  const { live } = state;
  if (live === undefined) return [];
  return [
    ...planStart(spec, state, live),
    ...planLinks(spec, state, live),
    ...planDrain(spec, state, live),
    ...planPrune(spec, state),
  ];
}

function planStart(spec: Spec, state: State, live: Colour): readonly Change[] {
  const { processes } = state.slots[live];
  if (!state.supervisorAnswers) return [{ kind: 'start', spec, colour: live, reason: 'supervisord does not answer' }];
  if (processes.length === 0) return [{ kind: 'start', spec, colour: live, reason: 'supervisor does not know it' }];
  const down = processes.find((process) => DOWN.has(process.state));
  return down === undefined ? [] : [{ kind: 'start', spec, colour: live, reason: `is ${down.state}` }];
}

function planLinks(spec: Spec, state: State, live: Colour): readonly Change[] {
  const layout = layoutOf(spec);
  const names = treesInText(layout, state.slots[live].text ?? '');
  const release = names.find((name) => name.startsWith('releases/'));
  if (release === undefined) return [];
  const collected = names.find((name) => name.startsWith('static/'))?.slice('static/'.length);
  const what = [
    ...(state.links.socket === `${live}.sock` ? [] : [layout.socket]),
    ...(state.links.current === release ? [] : [layout.current]),
    ...(collected === undefined || state.links.currentStatic === collected ? [] : [layout.currentStatic]),
    ...(state.tmpfiles === renderTmpfiles(spec, live) ? [] : [layout.tmpfiles]),
  ];
  const trees = { release: release.slice('releases/'.length), static: collected };
  return what.length === 0 ? [] : [{ kind: 'links', spec, colour: live, trees, what }];
}

/** `/run` is empty after a restart of the host: systemd makes the directory and the link before supervisord starts. */
export function renderTmpfiles(spec: Spec, live: Colour): string {
  const layout = layoutOf(spec);
  return [
    '# Written by Holdfast: what is changed here by hand is found and undone.',
    `d ${layout.runDirectory} 0755 ${layout.user} ${layout.group} -`,
    ...COLOURS.map((colour) => `d ${slotDirectory(layout, colour)} 0700 ${layout.user} ${layout.group} -`),
    `L+ ${layout.socket} - - - - ${live}.sock`,
    '',
  ].join('\n');
}

function planDrain(spec: Spec, state: State, live: Colour): readonly Change[] {
  const colour = otherColour(live);
  const { text, processes } = state.slots[colour];
  return text === undefined && processes.length === 0 ? [] : [{ kind: 'drain', spec, colour }];
}

function planPrune(spec: Spec, state: State): readonly Change[] {
  const trees = obsoleteTrees(spec, state);
  return trees.length === 0 ? [] : [{ kind: 'prune', spec, trees }];
}

/** Trees of no kept release, of no slot, and not of the commit that shall run; unfinished ones too. */
function obsoleteTrees(spec: Spec, state: State): readonly string[] {
  const layout = layoutOf(spec);
  const kept = new Set<string>();
  for (const { trees } of state.ledger.history.slice(0, spec.keep)) {
    kept.add(`releases/${trees.release}`);
    kept.add(`venvs/${trees.venv}`);
    if (trees.static !== undefined) kept.add(join('static', trees.static));
  }
  for (const colour of COLOURS) for (const tree of treesInText(layout, state.slots[colour].text ?? '')) kept.add(tree);
  for (const [kind, found] of Object.entries({
    releases: state.trees?.release,
    venvs: state.trees?.venv,
    static: state.trees?.static,
  })) {
    if (found?.is === 'built') kept.add(`${kind}/${found.name}`);
  }
  return state.present.filter((tree) => !kept.has(tree));
}

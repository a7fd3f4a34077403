import type { Host } from '../../host/host.ts';
import { Stalled } from '../../resource.ts';
import { startDaemon } from '../shared/supervisor-daemon.ts';
import { buildTrees } from './build.ts';
import { BadRelease } from './failures.ts';
import { treesInText } from './find-trees.ts';
import { awaitHealth, probeHealth, staysHealthy } from './health.ts';
import {
  COLOURS,
  type Colour,
  layoutOf,
  otherColour,
  releaseName,
  type Spec,
  slotFile,
  slotGroup,
  sourceOf,
} from './layout.ts';
import { changeLedger, withDeployed, withQuarantined } from './ledger.ts';
import { checkDjango, migrate } from './migrate.ts';
import { liveColour, sourceKey } from './observe.ts';
import { endOrphanedBuilds } from './orphans.ts';
import type { Trees } from './program.ts';
import { pointLinks, removeSlot, startSlot } from './slots.ts';

/** Builds a commit aside, starts it beside what runs, and switches when it is healthy. */
export async function deploy(spec: Spec, planned: string | undefined, host: Host): Promise<void> {
  const commit = planned ?? (await lookUp(spec, host));
  const layout = layoutOf(spec);
  await startDaemon(host);
  await endOrphanedBuilds(layout, host);
  try {
    const trees = await buildTrees(spec, commit, await treesInUse(spec, host), host);
    await checkDjango(spec, trees, host);
    await migrate(spec, trees, host);
    await switchTo(spec, commit, trees, host);
  } catch (error) {
    if (!(error instanceof BadRelease)) throw error;
    await changeLedger(host.files, layout, (before) =>
      withQuarantined(before, spec, commit, error.message, host.now()),
    );
    throw new Stalled(
      `${releaseName(commit)} took no request and is in quarantine until the branch or the manifest changes: ${error.message}`,
      { cause: error },
    );
  }
  await changeLedger(host.files, layout, (before) => ({ ...before, known: { source: sourceKey(spec), commit } }));
}

async function lookUp(spec: Spec, host: Host): Promise<string> {
  if (spec.commit !== undefined) return spec.commit;
  const lookup = await host.git.remoteCommit(sourceOf(spec), 0);
  if ('error' in lookup) throw new Error(`the commit to deploy is not known: ${lookup.error}`);
  return lookup.commit;
}

async function treesInUse(spec: Spec, host: Host): Promise<ReadonlySet<string>> {
  const texts = await Promise.all(COLOURS.map((colour) => host.files.readText(slotFile(spec, colour))));
  return new Set(texts.flatMap((text) => treesInText(layoutOf(spec), text ?? '')));
}

/** Throws `BadRelease` when the trees do not come up healthy while what runs now is. What ran goes on in that case. */
export async function switchTo(spec: Spec, commit: string, trees: Trees, host: Host): Promise<void> {
  const old = await findLive(spec, host);
  const next = old === undefined ? 'blue' : otherColour(old);
  try {
    await startSlot(spec, next, trees, host);
    const health = await awaitHealth(spec, next, host, spec.health.timeout);
    if (!health.ok) throw new Error(await withLog(spec, next, `it is not healthy: ${health.detail}`, host));
  } catch (error) {
    await removeSlot(spec, next, host);
    throw await blame(spec, old, error, host);
  }
  const layout = layoutOf(spec);
  await changeLedger(host.files, layout, (before) => withDeployed(before, { commit, trees, switched_ms: host.now() }));
  const oldLinks = await readLinks(spec, host);
  await pointLinks(spec, next, trees, host);
  if (old === undefined) return;
  const settled = await staysHealthy(spec, next, host, spec.health.settle);
  if (!settled.ok) {
    if (oldLinks !== undefined) await pointLinks(spec, old, oldLinks, host);
    const reason = await withLog(spec, next, `it turned bad right after the switch: ${settled.detail}`, host);
    await changeLedger(host.files, layout, (before) => ({ ...before, history: before.history.slice(1) }));
    await removeSlot(spec, next, host);
    throw await blame(spec, old, new Error(reason), host);
  }
  await removeSlot(spec, old, host);
}

/** With a healthy release beside it, the new one is at fault. Otherwise it may be what both need: the next try will tell. */
async function blame(spec: Spec, old: Colour | undefined, error: unknown, host: Host): Promise<Error> {
  const text = error instanceof Error ? error.message : String(error);
  if (old === undefined) return new Error(`the release does not come up: ${text}`, { cause: error });
  const health = await probeHealth(spec, old, host);
  if (health.ok) return new BadRelease(text, { cause: error });
  return new Error(
    `the new release does not come up, and the running one is not healthy either (${health.detail}): ${text}`,
    {
      cause: error,
    },
  );
}

async function withLog(spec: Spec, colour: Colour, text: string, host: Host): Promise<string> {
  const group = slotGroup(spec, colour);
  const log = await host.supervisor.logTail(`${group}:${group}`);
  return log === '' ? text : `${text}; the end of its log:\n${log}`;
}

async function findLive(spec: Spec, host: Host): Promise<Colour | undefined> {
  const layout = layoutOf(spec);
  const text = async (colour: Colour) => ({ text: await host.files.readText(slotFile(spec, colour)) });
  return liveColour(
    { blue: await text('blue'), green: await text('green') },
    await host.files.readLink(layout.socket),
    await host.files.readText(layout.tmpfiles),
  );
}

async function readLinks(spec: Spec, host: Host): Promise<{ release: string; static: string | undefined } | undefined> {
  const layout = layoutOf(spec);
  const release = (await host.files.readLink(layout.current))?.replace(/^releases\//, '');
  if (release === undefined) return undefined;
  return { release, static: await host.files.readLink(layout.currentStatic) };
}

/** The release before runs again, from the trees that it ran from. */
export async function rollBack(
  spec: Spec,
  bad: { readonly commit: string },
  to: { readonly commit: string; readonly trees: Trees },
  host: Host,
): Promise<void> {
  const live = await findLive(spec, host);
  if (live !== undefined && (await staysHealthy(spec, live, host, 0)).ok) return;
  const reason = live === undefined ? 'it is gone' : await withLog(spec, live, await detail(spec, live, host), host);
  await switchTo(spec, to.commit, to.trees, host);
  await changeLedger(host.files, layoutOf(spec), (before) =>
    withQuarantined(before, spec, bad.commit, `it turned bad after the switch: ${reason}`, host.now()),
  );
  throw new Stalled(
    `${releaseName(bad.commit)} turned bad after the switch and is in quarantine, ${releaseName(to.commit)} runs again: ${reason}`,
  );
}

async function detail(spec: Spec, live: Colour, host: Host): Promise<string> {
  const health = await probeHealth(spec, live, host);
  return health.ok ? 'it recovered only for a moment' : health.detail;
}

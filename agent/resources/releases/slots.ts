import { dirname } from 'node:path';
import { reveal, Secret } from '../../../desired-state/schema/secret.ts';
import type { Host } from '../../host/host.ts';
import { resolveOwner } from '../shared/ownership.ts';
import { type LinkedTrees, renderTmpfiles } from './diff.ts';
import { type Colour, layoutOf, type Spec, slotFile, slotGroup, slotSocket } from './layout.ts';
import { endLeftBehind } from './orphans.ts';
import { renderSlot, START_RETRIES, START_SECONDS, stopBound_ms, type Trees } from './program.ts';

const START_SLACK_MS = 30_000;
const START_MS = START_SECONDS * (START_RETRIES + 1) * 1000 + START_SLACK_MS;

/** Starts the trees in a slot; one that runs them already, from a run that was cut short, is left alone. */
export async function startSlot(spec: Spec, colour: Colour, trees: Trees, host: Host): Promise<void> {
  const path = slotFile(spec, colour);
  const text = renderSlot(spec, colour, trees);
  const group = slotGroup(spec, colour);
  if ((await host.files.readText(path)) !== reveal(text)) {
    await host.supervisor.checkFiles(new Map([[path, reveal(text)]]));
    await host.files.write(path, reveal(text), { uid: 0, gid: 0, mode: text instanceof Secret ? 0o600 : 0o644 });
  }
  const changes = await host.supervisor.configChanges();
  if (changes?.changed.includes(group) === true) {
    await stopSlot(spec, colour, host);
    await host.supervisor.removeGroup(group);
  }
  await runSlot(spec, colour, host);
}

/** Of a slot whose file is right: its group is known to supervisor and its processes run. */
export async function runSlot(spec: Spec, colour: Colour, host: Host): Promise<void> {
  const group = slotGroup(spec, colour);
  const known = (await host.supervisor.processes())?.some((process) => process.group === group);
  if (known !== true) await host.supervisor.addGroup(group);
  await host.supervisor.startGroup(group, { timeout_ms: START_MS });
}

/** After it nothing of the slot is left. */
export async function removeSlot(spec: Spec, colour: Colour, host: Host): Promise<void> {
  const group = slotGroup(spec, colour);
  await stopSlot(spec, colour, host);
  await host.files.remove(slotFile(spec, colour));
  await host.supervisor.removeGroup(group);
  await host.files.remove(slotSocket(layoutOf(spec), colour));
}

/** gunicorn's master gets TERM: workers finish their requests. A master whose socket is gone dies of it, and leaves them. */
async function stopSlot(spec: Spec, colour: Colour, host: Host): Promise<void> {
  const group = slotGroup(spec, colour);
  const masters = (await host.supervisor.processes())?.filter((one) => one.group === group && one.pid !== 0) ?? [];
  const workers = (await Promise.all(masters.map(({ pid }) => host.processes.children(pid)))).flat();
  await host.supervisor.stopGroup(group, { timeout_ms: stopBound_ms(spec) });
  await endLeftBehind(workers, spec.gunicorn.graceful_timeout * 1000, host);
}

/** The switch itself: one rename of the link that nginx connects through. The other links follow. */
export async function pointLinks(spec: Spec, colour: Colour, trees: LinkedTrees, host: Host): Promise<void> {
  const layout = layoutOf(spec);
  const owner = await resolveOwner(host.accounts, { owner: layout.user, group: layout.group }, layout.current);
  // Static files of the new release first: its pages name them, and the old pages' files are still kept.
  if (trees.static !== undefined) await setLink(layout.currentStatic, trees.static, owner, host);
  await setLink(layout.socket, `${colour}.sock`, owner, host);
  await setLink(layout.current, `releases/${trees.release}`, owner, host);
  const text = renderTmpfiles(spec, colour);
  if ((await host.files.readText(layout.tmpfiles)) !== text) {
    await host.files.write(layout.tmpfiles, text, { uid: 0, gid: 0, mode: 0o644 });
  }
}

async function setLink(
  path: string,
  target: string,
  owner: { readonly uid: number; readonly gid: number },
  host: Host,
): Promise<void> {
  if ((await host.files.readLink(path)) === target) return;
  const stat = await host.files.stat(path);
  if (stat?.type === 'directory') {
    throw new Error(`${path} is a directory where a link belongs: move away what is in ${dirname(path)}`);
  }
  await host.files.link(path, target, owner);
}

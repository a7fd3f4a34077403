/** Waits until the local hosts are what git says, and the site answers. */
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { hostOf } from '../../test/hosts/compose.ts';
import type { Host } from '../../test/hosts/host.ts';
import { type ControllerStatus, controllerStatus, get, type HostView } from './controller-api.ts';
import type { Keys } from './keys.ts';
import type { Progress } from './progress.ts';
import { type LocalSettings, MANAGED } from './settings.ts';

const CONVERGE_TIMEOUT_MS = 900_000;
const SITE_TIMEOUT_MS = 60_000;
const CONTROLLER_TIMEOUT_MS = 60_000;
const POLL_MS = 500;
const MAX_LINE = 100;

/** The controller answers, whatever it says. */
export async function awaitAnswer(settings: LocalSettings, keys: Keys): Promise<void> {
  await until(CONTROLLER_TIMEOUT_MS, () => controllerStatus(settings.controllerUrl, keys));
}

/** The controller serves a revision. Rejects with the issues of one that it refuses. */
export async function awaitController(settings: LocalSettings, keys: Keys): Promise<ControllerStatus> {
  return until(CONTROLLER_TIMEOUT_MS, async () => {
    const status = await controllerStatus(settings.controllerUrl, keys);
    if (status.secrets !== undefined) throw new Refused(status.secrets.problem);
    if (status.served !== undefined) return status;
    if (status.issues.length > 0) throw new Refused(status.issues.map(({ text }) => text).join('\n'));
    throw new Error(status.whyDifferent ?? 'it has served nothing yet');
  });
}

/** Every managed host has reported the revision that it shall run as converged. */
export async function awaitHosts(
  settings: LocalSettings,
  keys: Keys,
  progress: Progress,
): Promise<readonly HostView[]> {
  const agents = await Promise.all(
    MANAGED.map(async ({ service, host }) => ({ host, machine: await hostOf(settings.set, service) })),
  );
  return until(CONVERGE_TIMEOUT_MS, async () => {
    const { hosts } = await controllerStatus(settings.controllerUrl, keys);
    const managed = MANAGED.flatMap(({ host }) => hosts.filter((one) => one.host === host));
    const waiting = managed.filter(({ state }) => state !== 'converged');
    if (waiting.length === 0 && managed.length === MANAGED.length) return managed;
    const busy = agents.filter(({ host }) => waiting.some((one) => one.host === host));
    progress.detail((await Promise.all(busy.map(({ host, machine }) => doing(host, machine)))).join(' · '));
    throw new Error(waiting.map(({ host, state, why = '' }) => `${host}: ${state}${why && `: ${why}`}`).join('\n'));
  });
}

const agentSchema = v.object({
  verdict: v.string(),
  run: v.object({ current: v.optional(v.object({ doing: v.optional(v.string()) })) }),
  resources: v.array(v.object({ kind: v.string(), name: v.string(), error: v.optional(v.string()) })),
});

/** What the host's agent does right now, in one line. */
async function doing(name: string, host: Host): Promise<string> {
  const { stdout } = await host.exec(['holdfast-agent', 'status', '--json']);
  const parsed = stdout === '' ? undefined : v.safeParse(agentSchema, JSON.parse(stdout));
  if (parsed?.success !== true) return `${name}: starts`;
  const { run, resources, verdict } = parsed.output;
  if (run.current !== undefined) return `${name}: ${firstLine(run.current.doing ?? 'looks')}`;
  const broken = resources.find(({ error }) => error !== undefined);
  return broken === undefined
    ? `${name}: ${verdict}`
    : `${name}: ${broken.kind}/${broken.name}: ${firstLine(broken.error ?? '')}`;
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line;
}

/** The application answers through nginx. */
export async function awaitSite({ siteUrl }: LocalSettings): Promise<void> {
  await until(SITE_TIMEOUT_MS, () => get(`${siteUrl}/healthz`, { ca: 'any' }));
}

/** What will not mend itself. */
class Refused extends Error {}

/** Asks until there is an answer; rejects with the last error when the bound has passed. */
async function until<T>(timeout_ms: number, ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + timeout_ms;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (Date.now() > deadline)
        throw new Error(
          `not within ${timeout_ms / 1000} s: ${error instanceof Error ? error.message : String(error)}`,
          { cause: error },
        );
    }
    await delay(POLL_MS);
  }
}

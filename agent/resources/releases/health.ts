import { setTimeout as sleep } from 'node:timers/promises';
import type { HostReader } from '../../host/host.ts';
import { type Colour, layoutOf, type Spec, slotGroup, slotSocket } from './layout.ts';

export type Health = { readonly ok: true } | { readonly ok: false; readonly detail: string };

const REQUEST_BOUND_MS = 10_000;
const EXCERPT_CHARACTERS = 300;
const DELAY_MS = 200;

/** Asks a slot on its own socket, as nginx would. */
export async function probeHealth(spec: Spec, colour: Colour, host: HostReader): Promise<Health> {
  const { health } = spec;
  const socketPath = slotSocket(layoutOf(spec), colour);
  try {
    const response = await host.http.request({
      socketPath,
      path: health.path,
      headers: { host: health.host, 'x-forwarded-proto': 'https', 'user-agent': 'holdfast', connection: 'close' },
      timeout_ms: REQUEST_BOUND_MS,
    });
    if (response === undefined) return { ok: false, detail: `nothing listens on ${socketPath}` };
    if (health.status.includes(response.status)) return { ok: true };
    const body = response.body.trim().slice(0, EXCERPT_CHARACTERS);
    return { ok: false, detail: `GET ${health.path} answered ${response.status}${body === '' ? '' : `: ${body}`}` };
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

/** Waits until the slot is healthy. Gives the last answer when the bound has passed or its processes have given up. */
export async function awaitHealth(spec: Spec, colour: Colour, host: HostReader, bound_ms: number): Promise<Health> {
  const deadline_ms = performance.now() + bound_ms;
  for (;;) {
    const health = await probeHealth(spec, colour, host);
    if (health.ok) return health;
    if (performance.now() > deadline_ms || (await gaveUp(spec, colour, host))) return health;
    await sleep(DELAY_MS);
  }
}

/** Whether the slot stays healthy and its processes stay up for the whole of `duration_ms`. */
export async function staysHealthy(spec: Spec, colour: Colour, host: HostReader, duration_ms: number): Promise<Health> {
  const end_ms = performance.now() + duration_ms;
  let failures = 0;
  do {
    const health = await probeHealth(spec, colour, host);
    failures = health.ok ? 0 : failures + 1;
    // One bad answer may be chance, three in a row are not.
    if (!health.ok && failures >= 3) return health;
    const state = await slotState(spec, colour, host);
    if (state !== 'RUNNING') return { ok: false, detail: `its processes are ${state}` };
    await sleep(DELAY_MS);
  } while (performance.now() < end_ms || failures > 0);
  return { ok: true };
}

async function gaveUp(spec: Spec, colour: Colour, host: HostReader): Promise<boolean> {
  return ['FATAL', 'STOPPED', 'gone'].includes(await slotState(spec, colour, host));
}

async function slotState(spec: Spec, colour: Colour, host: HostReader): Promise<string> {
  const group = slotGroup(spec, colour);
  const process = (await host.supervisor.processes())?.find((one) => one.group === group);
  return process?.state ?? 'gone';
}

import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from '../../host/host.ts';
import type { Owners } from './diff.ts';
import { errorLogOf, readSince, sizeOf } from './error-log.ts';
import { emergencies, explainRefusal } from './explain.ts';
import { BINARY } from './layout.ts';
import { holderOf } from './port-holder.ts';
import { currentWorkers } from './workers.ts';

/** nginx tries a taken port five times, half a second apart; with the start of many workers this leaves room. */
const VERIFY_TIMEOUT_MS = 15_000;
const STEP_MS = 50;
/** Start times of processes are known to 10 ms, so workers must not start within that of the files' last change. */
const CLOCK_GRAIN_MS = 30;

export async function refuseMissingNginx(host: Host): Promise<void> {
  if ((await host.files.statTarget(BINARY)) !== undefined) return;
  throw new Error(`nginx is not installed (there is no ${BINARY}): declare "packages: { nginx: present }"`);
}

/** Makes the processes run what is on disk, and proves it: nginx reports a refused reload to nobody but its error log. */
export async function activate(activation: 'start' | 'reload', host: Host, owners: Owners): Promise<void> {
  await delay(CLOCK_GRAIN_MS);
  if (activation === 'start') await start(host);
  else await reload(host, owners);
}

async function start(host: Host): Promise<void> {
  if ((await host.systemd.unit('nginx')).active === 'failed') await host.systemd.resetFailed('nginx');
  try {
    await host.systemd.start('nginx');
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`${text}${await whoHoldsThePort(text, host)}`, { cause: error });
  }
  await until(async () => {
    const { mainPid } = await host.systemd.unit('nginx');
    return mainPid > 0 && (await currentWorkers(mainPid, host.processes)).length > 0;
  }, 'nginx started, but no worker appeared');
}

async function reload(host: Host, owners: Owners): Promise<void> {
  const { mainPid } = await host.systemd.unit('nginx');
  const old = new Set((await currentWorkers(mainPid, host.processes)).map((worker) => worker.pid));
  const log = await errorLogOf(host.files);
  const offset = log === undefined ? 0 : await sizeOf(host.files, log);
  await host.systemd.reload('nginx');
  await until(
    async () => {
      const workers = await currentWorkers(mainPid, host.processes);
      if (workers.length > 0 && workers.every((worker) => !old.has(worker.pid))) return true;
      const refusal = log === undefined ? undefined : refusalIn(await readSince(host, log, offset));
      if (refusal === undefined) return false;
      throw new Error(`nginx refused the reload and runs on as before: ${await explained(refusal, host, owners)}`);
    },
    `nginx took the reload, but no new worker appeared${log === undefined ? '' : `; see ${log}`}`,
  );
}

/** A port that is taken is tried several times: only the last line about it counts. */
function refusalIn(text: string): string | undefined {
  const problems = emergencies(text);
  const gaveUp = problems.some((problem) => problem.text.includes('still could not bind()'));
  const isFinal = problems.some((problem) => !problem.text.startsWith('bind() to '));
  return gaveUp || isFinal ? text : undefined;
}

async function explained(log: string, host: Host, owners: Owners): Promise<string> {
  const bind = emergencies(log).find((problem) => problem.text.startsWith('bind() to '));
  if (bind === undefined) return explainRefusal(log, owners).message;
  return `${bind.text}${await whoHoldsThePort(bind.text, host)}`;
}

async function whoHoldsThePort(text: string, host: Host): Promise<string> {
  const port = /bind\(\) to \S*?:(\d+) failed \(98/.exec(text)?.[1];
  if (port === undefined) return '';
  const holder = await holderOf(Number(port), host);
  return holder === undefined
    ? `; something holds port ${port}`
    : `; port ${port} is held by ${holder.name} (pid ${holder.pid}): stop it, or let nginx listen elsewhere`;
}

async function until(condition: () => Promise<boolean>, failure: string): Promise<void> {
  for (let waited_ms = 0; waited_ms < VERIFY_TIMEOUT_MS; waited_ms += STEP_MS) {
    if (await condition()) return;
    await delay(STEP_MS);
  }
  throw new Error(`${failure} within ${VERIFY_TIMEOUT_MS / 1000} s`);
}

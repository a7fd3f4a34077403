import { setTimeout as sleep } from 'node:timers/promises';
import type { FileReader } from '../files/port.ts';
import { localHttp } from '../http/local.ts';
import { linuxProcesses } from '../processes/linux.ts';
import { checkFiles, tidy } from './check.ts';
import { configFiles, readDaemonConfig } from './config.ts';
import { BrokenConfiguration, type ConfigChanges, type SupervisedProcess, type SupervisorWriter } from './port.ts';
import { decodeResponse, encodeCall, field, textField, XmlRpcFault, type XmlRpcValue } from './xml-rpc.ts';

/** `supervisor/xmlrpc.py`, class `Faults`. */
const FAULT = { badName: 10, noFile: 20, notExecutable: 21, notRunning: 70, alreadyAdded: 90, cantReread: 92 } as const;
const CALL_TIMEOUT_MS = 10_000;
const DEFAULT_WAIT_MS = 60_000;
const LOG_TAIL_BYTES = 2_000;
/** A file that changed less than this before it was looked at may change again without a trace in its times. */
const RACY_MS = 100;
const NO_CHANGES: ConfigChanges = { added: [], changed: [], removed: [] };
const ACTIVE = new Set(['STARTING', 'RUNNING', 'BACKOFF', 'STOPPING']);

export function linuxSupervisor({ files }: { readonly files: FileReader }): SupervisorWriter {
  const http = localHttp();
  const procfs = linuxProcesses();
  /** What the daemon and its files looked like when nothing differed. */
  let cleanState: string | undefined;

  async function call(
    method: string,
    ...parameters: readonly (string | number | boolean)[]
  ): Promise<XmlRpcValue | undefined> {
    const config = await readDaemonConfig(files);
    if (config === undefined) return undefined;
    const basic = Buffer.from(`${config.username ?? ''}:${config.password ?? ''}`).toString('base64');
    const response = await http.request({
      socketPath: config.socketPath,
      method: 'POST',
      path: '/RPC2',
      headers: {
        'content-type': 'text/xml',
        ...(config.username === undefined ? {} : { authorization: `Basic ${basic}` }),
      },
      body: encodeCall(method, parameters),
      timeout_ms: CALL_TIMEOUT_MS,
      maxBody_bytes: 16_777_216,
    });
    if (response === undefined) return undefined;
    if (response.status !== 200) throw new Error(`supervisord answered ${response.status} to ${method}`);
    return decodeResponse(response.body);
  }

  async function demand(method: string, ...parameters: readonly (string | number | boolean)[]): Promise<XmlRpcValue> {
    const value = await call(method, ...parameters);
    if (value === undefined) throw new Error(`supervisord does not answer: is supervisor.service running?`);
    return value;
  }

  async function processes(): Promise<readonly SupervisedProcess[] | undefined> {
    const answer = await call('supervisor.getAllProcessInfo');
    return answer === undefined ? undefined : parseProcesses(answer);
  }

  async function daemon() {
    const pid = await call('supervisor.getPID');
    if (typeof pid !== 'number') return undefined;
    const info = await procfs.get(pid);
    return info === undefined ? undefined : { pid, started_ms: info.started_ms };
  }

  async function configChanges(): Promise<ConfigChanges | undefined> {
    const before = await fingerprint();
    if (before !== undefined && before.text === cleanState) return NO_CHANGES;
    const changes = await reread();
    const clean = changes !== undefined && isEmpty(changes) && before !== undefined && !before.racy;
    cleanState = clean ? before.text : undefined;
    return changes;
  }

  async function reread(): Promise<ConfigChanges | undefined> {
    try {
      const answer = await call('supervisor.reloadConfig');
      return answer === undefined ? undefined : parseChanges(answer);
    } catch (error) {
      if (error instanceof XmlRpcFault && error.code === FAULT.cantReread) {
        throw new BrokenConfiguration(tidy(error.message.replace(/^CANT_REREAD:\s*/, '')), { cause: error });
      }
      throw error;
    }
  }

  async function fingerprint(): Promise<{ readonly text: string; readonly racy: boolean } | undefined> {
    const config = await readDaemonConfig(files);
    if (config === undefined) return undefined;
    const running = (await fromPidFile(config.pidFile)) ?? (await daemon());
    if (running === undefined) return undefined;
    const parts = [`${running.pid} ${Math.round(running.started_ms / 1000)}`];
    let newest_ms = 0;
    for (const path of await configFiles(config, files)) {
      const stat = await files.statTarget(path);
      newest_ms = Math.max(newest_ms, stat?.ctime_ms ?? 0);
      parts.push(`${path} ${stat?.device} ${stat?.inode} ${stat?.size_bytes} ${stat?.mtime_ms} ${stat?.ctime_ms}`);
    }
    return { text: parts.join('\n'), racy: Date.now() - newest_ms < RACY_MS };
  }

  /** Saves a call to a daemon that is asked for its processes anyway. */
  async function fromPidFile(path: string) {
    const pid = Number((await files.readText(path))?.trim());
    const info = Number.isInteger(pid) && pid > 1 ? await procfs.get(pid) : undefined;
    return info?.name.startsWith('supervisor') === true ? info : undefined;
  }

  async function logTail(name: string): Promise<string> {
    const tails: string[] = [];
    for (const channel of ['Stdout', 'Stderr']) {
      const text = await call(`supervisor.readProcess${channel}Log`, name, -LOG_TAIL_BYTES, 0).catch(
        (error: unknown) => {
          if (error instanceof XmlRpcFault) return '';
          throw error;
        },
      );
      if (typeof text === 'string' && text.trim() !== '') tails.push(text.trim());
    }
    return tails.join('\n');
  }

  async function members(group: string): Promise<readonly SupervisedProcess[]> {
    const all = await processes();
    if (all === undefined) throw new Error('supervisord went away while it was waited for');
    return all.filter((process) => process.group === group);
  }

  async function addGroup(group: string): Promise<void> {
    await reread();
    await tolerate([FAULT.alreadyAdded], demand('supervisor.addProcessGroup', group));
  }

  async function removeGroup(group: string): Promise<void> {
    await tolerate([FAULT.badName], demand('supervisor.removeProcessGroup', group));
  }

  async function startGroup(group: string, options?: { readonly timeout_ms?: number }): Promise<void> {
    refuseUnstartable(await demand('supervisor.startProcessGroup', group, false));
    await waitFor(options?.timeout_ms ?? DEFAULT_WAIT_MS, `group ${group} to run`, async () => {
      const now = await members(group);
      const failed = now.find((process) => process.state === 'FATAL');
      if (failed !== undefined) throw await startFailure(failed);
      return now.length > 0 && now.every((process) => process.state === 'RUNNING' || process.state === 'EXITED');
    });
  }

  async function startFailure(failed: SupervisedProcess): Promise<Error> {
    const name = `${failed.group}:${failed.name}`;
    const log = await logTail(name);
    const reason = failed.spawnError === '' ? `exit status ${failed.exitStatus}` : failed.spawnError;
    return new Error(
      `program ${failed.name} does not stay up (${failed.state}, ${reason})${log === '' ? ', and its log is empty' : `; the end of its log:\n${log}`}`,
    );
  }

  async function stopGroup(group: string, options?: { readonly timeout_ms?: number }): Promise<void> {
    const known = (await members(group)).length > 0;
    if (!known) return;
    await tolerate([FAULT.badName, FAULT.notRunning], demand('supervisor.stopProcessGroup', group, false));
    await waitFor(options?.timeout_ms ?? DEFAULT_WAIT_MS, `group ${group} to stop`, async () =>
      (await members(group)).every((process) => !ACTIVE.has(process.state)),
    );
  }

  async function signal(process: string, name: string): Promise<void> {
    await demand('supervisor.signalProcess', process, name);
  }

  async function check(overlay: ReadonlyMap<string, string | undefined>): Promise<void> {
    const config = await readDaemonConfig(files);
    if (config === undefined) throw new Error('supervisor is not installed: there is no supervisord.conf');
    await checkFiles(config.file, overlay, files);
  }

  return {
    processes,
    configChanges,
    daemon,
    logTail,
    addGroup,
    removeGroup,
    startGroup,
    stopGroup,
    signal,
    checkFiles: check,
  };
}

export function parseProcesses(answer: XmlRpcValue): readonly SupervisedProcess[] {
  if (!Array.isArray(answer)) throw new Error('supervisord gave no list of processes');
  return answer.map((item: XmlRpcValue) => ({
    group: textField(item, 'group'),
    name: textField(item, 'name'),
    state: textField(item, 'statename'),
    pid: Number(field(item, 'pid')),
    started_ms: Number(field(item, 'start')) * 1000,
    spawnError: textField(item, 'spawnerr'),
    exitStatus: Number(field(item, 'exitstatus') ?? 0),
  }));
}

/** `reloadConfig` wraps its answer in a list of one: `[[added, changed, removed]]`. */
export function parseChanges(answer: XmlRpcValue): ConfigChanges {
  const lists = Array.isArray(answer) ? answer[0] : undefined;
  if (!Array.isArray(lists)) throw new Error('supervisord gave no list of changed groups');
  const names = (value: XmlRpcValue): readonly string[] => (Array.isArray(value) ? value.map(String) : []);
  return { added: names(lists[0]), changed: names(lists[1]), removed: names(lists[2]) };
}

/** What supervisord knows before it tries: the program is not there or not executable. Everything else shows in the states. */
function refuseUnstartable(results: XmlRpcValue): void {
  if (!Array.isArray(results)) return;
  for (const result of results) {
    const status = field(result, 'status');
    if (status === FAULT.noFile || status === FAULT.notExecutable) {
      throw new Error(`program ${textField(result, 'name')} cannot be started: ${textField(result, 'description')}`);
    }
  }
}

function isEmpty(changes: ConfigChanges): boolean {
  return changes.added.length + changes.changed.length + changes.removed.length === 0;
}

async function tolerate(codes: readonly number[], attempt: Promise<unknown>): Promise<void> {
  try {
    await attempt;
  } catch (error) {
    if (!(error instanceof XmlRpcFault && codes.includes(error.code))) throw error;
  }
}

async function waitFor(timeout_ms: number, what: string, reached: () => Promise<boolean>): Promise<void> {
  const deadline_ms = performance.now() + timeout_ms;
  let delay_ms = 10;
  while (!(await reached())) {
    if (performance.now() > deadline_ms) throw new Error(`waited ${timeout_ms / 1000} s in vain for ${what}`);
    await sleep(delay_ms);
    delay_ms = Math.min(delay_ms * 2, 200);
  }
}

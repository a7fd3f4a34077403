import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessInfo, ProcessReader, ProcessWriter } from './port.ts';

/** `sysconf(_SC_CLK_TCK)`: 100 on every architecture that Debian supports, as proc(5) reports start times. */
const TICKS_PER_SECOND = 100;
/** `/proc` files vanish or refuse between two calls when a process ends. */
const GONE = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EINVAL']);

export function linuxProcesses(): ProcessWriter {
  const reader: ProcessReader = { list, get, children, environment, executable, workingDirectory, openFiles };
  return { ...reader, signal };
}

async function list(): Promise<readonly ProcessInfo[]> {
  const boot_ms = bootTime_ms();
  return processIds().flatMap((pid) => readProcess(pid, boot_ms) ?? []);
}

async function get(pid: number): Promise<ProcessInfo | undefined> {
  return readProcess(pid, bootTime_ms());
}

async function children(pid: number): Promise<readonly ProcessInfo[]> {
  const boot_ms = bootTime_ms();
  const ids = attempt(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));
  // The file needs CONFIG_PROC_CHILDREN and lists the children of one thread; daemons that fork from their main thread are all there.
  if (ids !== undefined)
    return ids.split(' ').flatMap((id) => (id.trim() === '' ? [] : (readProcess(Number(id), boot_ms) ?? [])));
  return (await list()).filter((candidate) => candidate.parentPid === pid);
}

async function environment(pid: number): Promise<Readonly<Record<string, string>> | undefined> {
  const text = attempt(() => readFileSync(`/proc/${pid}/environ`, 'utf8'));
  if (text === undefined) return undefined;
  const pairs = text.split('\0').filter((pair) => pair.includes('='));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

async function executable(pid: number): Promise<string | undefined> {
  return attempt(() => readlinkSync(`/proc/${pid}/exe`));
}

async function workingDirectory(pid: number): Promise<string | undefined> {
  return attempt(() => readlinkSync(`/proc/${pid}/cwd`));
}

async function openFiles(pid: number): Promise<readonly string[]> {
  const names = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  return [...new Set(names.flatMap((name) => attempt(() => readlinkSync(`/proc/${pid}/fd/${name}`)) ?? []))];
}

async function signal(
  target: { readonly pid: number; readonly started_ms: number },
  name: NodeJS.Signals,
): Promise<boolean> {
  const current = await get(target.pid);
  // Start times are computed from the boot time, which moves with the clock: a second of difference is the same process.
  if (current === undefined || Math.abs(current.started_ms - target.started_ms) > 1_000) return false;
  return attempt(() => process.kill(target.pid, name)) ?? false;
}

function processIds(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function readProcess(pid: number, boot_ms: number): ProcessInfo | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const status = attempt(() => readFileSync(`/proc/${pid}/status`, 'utf8'));
  const commandLine = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  if (stat === undefined || status === undefined || commandLine === undefined) return undefined;
  return parseProcess({ pid, stat, status, commandLine, boot_ms });
}

/** Parses the texts of proc(5). The name in `stat` stands in parentheses and may itself hold parentheses and spaces. */
export function parseProcess(texts: {
  readonly pid: number;
  readonly stat: string;
  readonly status: string;
  readonly commandLine: string;
  readonly boot_ms: number;
}): ProcessInfo {
  const open = texts.stat.indexOf('(');
  const close = texts.stat.lastIndexOf(')');
  const fields = texts.stat.slice(close + 2).split(' ');
  const uid = /^Uid:\s+(\d+)/m.exec(texts.status)?.[1];
  return {
    pid: texts.pid,
    parentPid: Number(fields[1]),
    name: texts.stat.slice(open + 1, close),
    argv: texts.commandLine === '' ? [] : texts.commandLine.replace(/\0$/, '').split('\0'),
    uid: Number(uid),
    started_ms: texts.boot_ms + (Number(fields[19]) * 1000) / TICKS_PER_SECOND,
    state: fields[0] ?? '?',
  };
}

function bootTime_ms(): number {
  const uptime_s = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  return Date.now() - uptime_s * 1000;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && GONE.has(String(error.code))) return undefined;
    throw error;
  }
}

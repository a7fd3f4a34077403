import type { AgentStatus, CertificateView, LastChange, ResourceView, Verdict } from '../daemon/status.ts';
import { count, durationText, type Paint, paintDiff, type Style } from './paint.ts';

const LABEL_WIDTH = 'certificate'.length;

/** What `holdfast-agent status` prints. `now_ms` is passed in so that ages can be tested. Pure. */
export function statusText(status: AgentStatus, paint: Paint, now_ms: number, show: 'summary' | 'diffs'): string {
  const { pause, run, resources, problems } = status;
  const rows: (readonly [string, string])[] = [
    [
      'host',
      `${status.host}${status.environment === undefined ? '' : ` (${status.environment}: ${status.roles?.join(', ')})`}`,
    ],
    [
      'state',
      `${paint(VERDICTS[status.verdict], status.verdict)}${status.mode === 'report' ? ', mode report: repairs nothing' : ''}`,
    ],
    ...(pause === undefined
      ? []
      : [['paused', paint('yellow', `for ${inText(pause.until_ms, now_ms)} by ${pause.by}: ${pause.why}`)] as const]),
    ['revision', revisionText(status, paint)],
    ['controller', controllerText(status, paint, now_ms)],
    ...(status.certificate === undefined
      ? []
      : [['certificate', certificateText(status.certificate, paint, now_ms)] as const]),
    ['last run', lastRunText(status, now_ms)],
    ...(run.current === undefined
      ? []
      : [['running', `${durationText(now_ms - run.current.since_ms)}, ${run.current.doing ?? 'looking'}`] as const]),
    ...(run.error === undefined ? [] : [['run failed', paint('red', run.error.message)] as const]),
    ['next run', nextText(status, now_ms)],
    ['agent', `${status.agentVersion}, process ${status.pid}, up ${durationText(now_ms - status.started_ms)}`],
    ...problems.map((problem) => ['problem', paint('yellow', problem)] as const),
  ];
  const head = rows
    .map(([label, text]) => `${paint('dim', label.padEnd(LABEL_WIDTH))}  ${indented(text, LABEL_WIDTH + 2)}\n`)
    .join('');
  const shown = resources.filter(({ status: state, lastChange }) => state !== 'converged' || lastChange !== undefined);
  const quiet = resources.length - shown.length;
  const body = shown.map((resource) => resourceText(resource, paint, now_ms, show)).join('');
  const rest =
    quiet === 0
      ? ''
      : `${paint('green', 'converged')} ${quiet === resources.length ? 'all' : 'the other'} ${count(quiet, 'resource')}\n`;
  return `${head}\n${body}${rest}`;
}

const VERDICTS: Readonly<Record<Verdict, Style>> = {
  converged: 'green',
  differs: 'yellow',
  failing: 'red',
  unknown: 'yellow',
};

const STATES: Readonly<Record<ResourceView['status'], Style>> = {
  converged: 'green',
  changed: 'cyan',
  drifted: 'yellow',
  waiting: 'yellow',
  blocked: 'yellow',
  failed: 'red',
  stalled: 'red',
};

function revisionText({ revision: { running, wanted, whyDifferent } }: AgentStatus, paint: Paint): string {
  if (running === undefined) return `none yet${whyDifferent === undefined ? '' : `: ${whyDifferent}`}`;
  if (whyDifferent === undefined) return running.slice(0, 12);
  const offered = wanted === undefined || wanted === running ? 'another' : wanted.slice(0, 12);
  return `${running.slice(0, 12)} runs, ${offered} is wanted\n${paint('red', whyDifferent)}`;
}

function controllerText({ controller }: AgentStatus, paint: Paint, now_ms: number): string {
  if (controller.state === 'none') return 'none is configured: the manifest on disk is all there is';
  if (controller.state === 'unknown') return 'not asked yet';
  if (controller.state === 'reachable') return `reachable since ${at(controller.since_ms)}`;
  const next = controller.nextTry_ms === undefined ? '' : `, next try in ${inText(controller.nextTry_ms, now_ms)}`;
  return `${paint('yellow', `away since ${at(controller.since_ms)} (${durationText(now_ms - controller.since_ms)})`)}${next}\n${controller.error ?? ''}`;
}

function certificateText({ expires_ms, warning }: CertificateView, paint: Paint, now_ms: number): string {
  const expired = now_ms >= expires_ms;
  const span = durationText(Math.abs(expires_ms - now_ms));
  const line = `until ${at(expires_ms)} (${expired ? `${span} ago` : `in ${span}`})`;
  return warning === undefined ? line : `${line}\n${paint(expired ? 'red' : 'yellow', warning)}`;
}

function lastRunText({ run: { last } }: AgentStatus, now_ms: number): string {
  if (last === undefined) return 'none yet';
  const counts = Object.entries(last.counts).map(([state, amount]) => `${amount} ${state}`);
  const ended_ms = last.started_ms + last.duration_ms;
  return `${durationText(Math.max(0, now_ms - ended_ms))} ago (${last.trigger}), took ${durationText(last.duration_ms)}: ${counts.join(', ')}`;
}

function nextText({ run: { next_ms, nextRetry_ms } }: AgentStatus, now_ms: number): string {
  if (next_ms === undefined) return 'not planned';
  const retry = nextRetry_ms === undefined ? '' : `, next retry in ${inText(nextRetry_ms, now_ms)}`;
  return `${at(next_ms)} (in ${inText(next_ms, now_ms)})${retry}`;
}

function resourceText(resource: ResourceView, paint: Paint, now_ms: number, show: 'summary' | 'diffs'): string {
  const { kind, name, status, error, blockedBy, pending = [], lastChange, retryAt_ms } = resource;
  const notes = [
    ...(blockedBy === undefined ? [] : [`by ${blockedBy}`]),
    ...(retryAt_ms === undefined ? [] : [`next try in ${inText(retryAt_ms, now_ms)}`]),
  ];
  const lines = [
    `${paint(STATES[status], status.padEnd(9))} ${paint('bold', `${kind}/${name}`)}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}\n`,
  ];
  if (error !== undefined) lines.push(`    ${indented(error, 4)}\n`);
  for (const { summary, diff } of pending) lines.push(changeText('to do', summary, diff, paint, show));
  if (lastChange !== undefined) lines.push(...lastChangeLines(lastChange, paint, now_ms, show));
  return lines.join('');
}

function lastChangeLines(last: LastChange, paint: Paint, now_ms: number, show: 'summary' | 'diffs'): string[] {
  const age = `${durationText(Math.max(0, now_ms - last.at_ms))} ago${last.cause === 'corrective' ? ', drift' : ''}`;
  return last.changes.map(({ summary, diff }) => changeText(age, summary, diff, paint, show));
}

function changeText(label: string, summary: string, diff: string | undefined, paint: Paint, show: string): string {
  const line = `    ${paint('dim', `${label}:`)} ${indented(summary, 4)}\n`;
  return diff === undefined || show === 'summary' ? line : `${line}${paintDiff(diff, '      ', paint)}`;
}

function indented(text: string, width: number): string {
  return text.trimEnd().replaceAll('\n', `\n${' '.repeat(width)}`);
}

function at(time_ms: number): string {
  return new Date(time_ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}

function inText(time_ms: number, now_ms: number): string {
  return durationText(Math.max(0, time_ms - now_ms));
}

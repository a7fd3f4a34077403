import type { ResourceResult, RunResult, Status } from '../engine/types.ts';
import type { ResourceRef } from '../resource.ts';
import { count, durationText, painter, type Style } from './paint.ts';
import { errorLines } from './plan-text.ts';

/** What `run --once` prints: a line as each change begins, a line as each resource is settled, and a closing line. */

export function changeBegins(ref: ResourceRef, summary: string, stream: NodeJS.WriteStream): string {
  const paint = painter(stream);
  return `${paint('dim', '…')} ${ref.kind} ${ref.name}: ${summary}\n`;
}

/** Nothing for a resource that was in order. */
export function resourceLines(resource: ResourceResult, stream: NodeJS.WriteStream): string {
  if (resource.status === 'converged') return '';
  const paint = painter(stream);
  const { kind, name, status, changes, cause, blockedBy, retryAt_ms, error, duration_ms } = resource;
  const facts = [
    ...(changes.length === 0 ? [] : [count(changes.length, 'change')]),
    ...(cause === 'corrective' ? ['drift'] : []),
    ...(blockedBy === undefined ? [] : [`by ${blockedBy.kind} ${blockedBy.name}`]),
    ...(retryAt_ms === undefined ? [] : [`next try at ${new Date(retryAt_ms).toISOString()}`]),
    durationText(duration_ms),
  ];
  const line = `${paint(STYLES[status], status)} ${paint('bold', `${kind} ${name}`)} ${paint('dim', `(${facts.join(', ')})`)}\n`;
  return error === undefined ? line : `${line}${errorLines('because', error, paint)}`;
}

export function runSummary({ host, revision, resources, duration_ms }: RunResult, stream: NodeJS.WriteStream): string {
  const paint = painter(stream);
  const counts = STATUSES.map(
    (status) => [status, resources.filter((resource) => resource.status === status).length] as const,
  )
    .filter(([, amount]) => amount > 0)
    .map(([status, amount]) => paint(STYLES[status], `${amount} ${status}`));
  const list = counts.length === 0 ? 'no resources' : counts.join(', ');
  return `${host} at ${revision.slice(0, 12)}: ${list} ${paint('dim', `(${durationText(duration_ms)})`)}\n`;
}

const STYLES: Readonly<Record<Status, Style>> = {
  failed: 'red',
  stalled: 'red',
  waiting: 'yellow',
  blocked: 'yellow',
  drifted: 'yellow',
  changed: 'cyan',
  converged: 'green',
};

const STATUSES: readonly Status[] = ['failed', 'stalled', 'waiting', 'blocked', 'drifted', 'changed', 'converged'];

import type { ChangeResult, ResourceResult, RunResult } from '../engine/types.ts';
import { count, durationText, type Paint, paintDiff, painter } from './paint.ts';

/** A plan as a person wants to read it. */
export function planText(result: RunResult, stream: NodeJS.WriteStream): string {
  const paint = painter(stream);
  const shown = result.resources.filter(({ status }) => status !== 'converged');
  const blocks = shown.map((resource) => `${resourceBlock(resource, paint)}\n`);
  return `${blocks.join('')}${closingLine(result, paint)}\n`;
}

function resourceBlock(resource: ResourceResult, paint: Paint): string {
  const notes = [
    resource.cause === 'corrective' ? 'drifted' : '',
    resource.mode === 'report' ? 'only reported' : '',
  ].filter((note) => note !== '');
  const title = `${paint('bold', `${resource.kind} ${resource.name}`)}${notes.length === 0 ? '' : paint('dim', ` (${notes.join(', ')})`)}\n`;
  const error = resource.error === undefined ? '' : errorLines(resource.status, resource.error, paint);
  return `${title}${resource.changes.map((change) => changeBlock(change, paint)).join('')}${error}`;
}

function changeBlock(change: ChangeResult, paint: Paint): string {
  const diff = change.diff === undefined ? '' : paintDiff(change.diff, '      ', paint);
  return `  ${paint('yellow', '~')} ${change.summary}${hazardText(change, paint)}\n${diff}`;
}

export function hazardText({ hazard }: ChangeResult, paint: Paint): string {
  if (hazard === 'none') return '';
  return ` ${paint(hazard === 'destructive' ? 'red' : 'yellow', `[${hazard}]`)}`;
}

export function errorLines(status: string, error: string, paint: Paint): string {
  const [first = '', ...rest] = error.trimEnd().split('\n');
  return [`  ${paint('red', `${status}:`)} ${first}`, ...rest.map((line) => `    ${line}`)]
    .map((line) => `${line}\n`)
    .join('');
}

function closingLine({ host, revision, resources, duration_ms }: RunResult, paint: Paint): string {
  const differing = resources.filter(({ changes }) => changes.length > 0);
  const changes = differing.flatMap((resource) => resource.changes);
  const unseen = resources.filter(({ error }) => error !== undefined).length;
  const where = `${host} at ${revision.slice(0, 12)}`;
  const looked = paint('dim', ` (${count(resources.length, 'resource')} in ${durationText(duration_ms)})`);
  const trouble = unseen === 0 ? '' : `, ${paint('red', `${unseen} could not be looked at`)}`;
  if (changes.length === 0 && unseen === 0) return `${paint('green', 'Nothing to change')} on ${where}${looked}`;
  return `${count(changes.length, 'change')} to ${count(differing.length, 'resource')} pending on ${where}${trouble}${looked}`;
}

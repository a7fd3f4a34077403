import type { ReportedResource } from '../../desired-state/schema/report.ts';
import { type Paint, paintDiffLine, paintState } from './paint.ts';
import { oneLine, safeLines } from './text.ts';

/** A resource that is not in order, or was changed: how it is, why, and what was done about it. */
export function resourceLines(
  { kind, name, status, cause, error, blockedBy, changes = [] }: ReportedResource,
  { paint }: { readonly paint: Paint },
  withDiffs: boolean,
): readonly string[] {
  const by = cause === 'corrective' ? ' (repaired)' : '';
  const reason = error ?? (blockedBy === undefined ? undefined : `waits for ${blockedBy}`);
  const head = `${paintState(status, paint)} ${oneLine(`${kind}/${name}`)}${by}`;
  return [
    reason === undefined ? head : `${head}: ${oneLine(reason)}`,
    ...changes.flatMap(({ summary, diff, hazard, outcome }) => [
      `  ${oneLine(summary)}${hazard === 'none' ? '' : ` [${hazard}]`}${outcome === 'applied' ? '' : ` (${outcome})`}`,
      ...(withDiffs && diff !== undefined ? safeLines(diff).map((line) => paintDiffLine(`    ${line}`, paint)) : []),
    ]),
  ];
}

import type { Described, Hazard } from '../../resource.ts';
import type { PackagesChange, Step } from './state.ts';

const HOUR_MS = 3_600_000;
const ORDER = ['install', 'upgrade', 'downgrade', 'remove', 'purge', 'hold', 'unhold', 'mark manual'] as const;

export function describe({ steps }: PackagesChange): Described {
  const parts = [
    ...steps.flatMap(preparation),
    ...ORDER.flatMap((action) => {
      const names = steps.flatMap((step) => (step.do === action ? [step.name] : []));
      return names.length === 0 ? [] : [`${action} ${names.join(', ')}`];
    }),
    ...steps.flatMap((step) => (step.do === 'refuse' || step.do === 'find' ? [`refuse: ${step.reason}`] : [])),
  ];
  const diff = steps.flatMap(versionLines).join('\n');
  return { summary: parts.join('; '), hazard: hazardOf(steps), ...(diff === '' ? {} : { diff: `${diff}\n` }) };
}

function preparation(step: Step): readonly string[] {
  if (step.do === 'repair') return ['finish what an interrupted dpkg left half done'];
  if (step.do !== 'refresh') return [];
  const age = step.age_ms > HOUR_MS * 24 * 365 ? 'never fetched' : `${Math.floor(step.age_ms / HOUR_MS)} h old`;
  return [`fetch the package lists (${age})`];
}

/** As a unified diff, so that versions read like any other change. */
function versionLines(step: Step): readonly string[] {
  if ('to' in step) return [...removedLine(step.name, step.from), `+${step.name} ${step.to ?? '(as apt chooses)'}`];
  return step.do === 'remove' ? removedLine(step.name, step.from) : [];
}

function removedLine(name: string, version: string | undefined): readonly string[] {
  return version === undefined ? [] : [`-${name} ${version}`];
}

/** A maintainer script may restart the daemon that the package holds. */
function hazardOf(steps: readonly Step[]): Hazard {
  if (steps.some((step) => step.do === 'remove' || step.do === 'purge')) return 'destructive';
  return steps.some((step) => step.do === 'upgrade' || step.do === 'downgrade' || step.do === 'repair')
    ? 'restart'
    : 'none';
}

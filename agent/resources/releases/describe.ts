import type { Described } from '../../resource.ts';
import type { Change } from './diff.ts';
import { refText, releaseName, slotGroup } from './layout.ts';

export function describe(change: Change): Described {
  switch (change.kind) {
    case 'layout': {
      const parts = change.problems.map(({ path, what }) => `${path} ${what}`);
      return { summary: `set up directories: ${parts.join('; ')}`, hazard: 'none' };
    }
    case 'deploy':
      return { summary: deploySummary(change), hazard: 'reload' };
    case 'rollback':
      return {
        summary: `return to ${releaseName(change.to.commit)}: ${releaseName(change.bad.commit)} turned bad after the switch (${change.reason})`,
        hazard: 'reload',
      };
    case 'start':
      return { summary: `start ${slotGroup(change.spec, change.colour)} (${change.reason})`, hazard: 'none' };
    case 'links':
      return { summary: `set ${change.what.join(', ')} to the running release`, hazard: 'reload' };
    case 'drain':
      return { summary: `stop ${slotGroup(change.spec, change.colour)}, which no longer serves`, hazard: 'none' };
    case 'prune':
      return { summary: `remove ${change.trees.join(', ')}`, hazard: 'none' };
    case 'refused':
      return {
        summary: `${releaseName(change.commit)} is in quarantine, ${change.running} keeps running: ${firstLine(change.reason)}`,
        hazard: 'none',
      };
  }
}

function deploySummary({ spec, commit, from, reasons }: Extract<Change, { kind: 'deploy' }>): string {
  const what = commit === undefined ? `deploy ${refText(spec)}` : `deploy ${releaseName(commit)} (${refText(spec)})`;
  const before = from === undefined || (commit !== undefined && from === releaseName(commit)) ? '' : `, now ${from}`;
  return `${what}${before}${reasons.length === 0 ? '' : `: ${reasons.map(firstLine).join('; ')}`}`;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

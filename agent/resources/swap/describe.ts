import { textDiff } from '../../describe.ts';
import type { Described } from '../../resource.ts';
import type { SwapChange } from './diff.ts';
import { FSTAB, unfinishedPath } from './observe.ts';

export function describe(change: SwapChange): Described {
  switch (change.type) {
    case 'clean':
      return { summary: `remove ${unfinishedPath(change.path)}, which an interrupted run left`, hazard: 'none' };
    case 'blocked':
      return { summary: `make a swap file (${change.by} is in the way)`, hazard: 'none' };
    case 'create':
      return {
        summary: `make a swap file of ${sizeText(change.size_bytes)}${insteadOf(change.replaces)}`,
        hazard: change.replaces === 'foreign' ? 'destructive' : 'none',
      };
    case 'own':
      return { summary: `set ${change.differences.join(', ')}`, hazard: 'none' };
    case 'off':
      return { summary: `turn off (${change.reason})`, hazard: 'none' };
    case 'on':
      return { summary: 'turn on', hazard: 'none' };
    case 'fstab':
      return { summary: `write ${FSTAB}`, hazard: 'none', diff: textDiff(FSTAB, change.before, change.after) };
    case 'remove':
      return { summary: 'remove the swap file', hazard: 'none' };
  }
}

export function sizeText(size_bytes: number): string {
  return `${Math.round(size_bytes / 1024 ** 2)} MiB`;
}

function insteadOf(replaces: Extract<SwapChange, { type: 'create' }>['replaces']): string {
  if (replaces === 'nothing') return '';
  return replaces === 'foreign' ? ' in place of a file that is no swap area' : ` (is ${sizeText(replaces.size_bytes)})`;
}

import { modeText } from '../../describe.ts';
import type { Described } from '../../resource.ts';
import { typeText } from '../shared/ownership.ts';
import type { DirectoryChange } from './state.ts';

const MAX_NAMES = 10;

export function describe(change: DirectoryChange): Described {
  switch (change.type) {
    case 'make': {
      const { owned, seen } = change;
      const instead = seen === undefined ? '' : `, replacing ${typeText(seen)}`;
      const losesData = seen?.type === 'file' && seen.size_bytes > 0;
      const summary = `make the directory, ${owned.owner}:${owned.group} ${modeText(owned.mode)}${instead}`;
      return { summary, hazard: losesData ? 'destructive' : 'none' };
    }
    case 'attributes':
      return { summary: `set ${change.differences.join(', ')}`, hazard: 'none' };
    case 'own':
      return {
        summary: `set owner, group or mode of ${change.strays.length} entries below: ${names(change.strays.map((stray) => stray.path))}`,
        hazard: 'none',
      };
    case 'purge':
      return {
        summary: `remove what nobody declared: ${names(change.entries.map((entry) => entry.name))}`,
        hazard: 'destructive',
      };
    case 'remove':
      return {
        summary: `remove ${typeText(change.seen)}${change.force ? ' with all that is in it' : ''}`,
        hazard: 'destructive',
      };
    case 'refuse':
      return { summary: `refuse: ${change.reason}`, hazard: 'none' };
  }
}

function names(all: readonly string[]): string {
  const more = all.length - MAX_NAMES;
  return all.slice(0, MAX_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

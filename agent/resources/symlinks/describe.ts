import type { Described } from '../../resource.ts';
import { typeText } from '../shared/ownership.ts';
import type { SymlinkChange } from './state.ts';

export function describe(change: SymlinkChange): Described {
  switch (change.type) {
    case 'link': {
      const instead = change.instead === undefined ? '' : ` (is ${change.instead})`;
      const losesData = change.force && change.seen !== undefined && change.seen.type !== 'symlink';
      return { summary: `point to ${change.target}${instead}`, hazard: losesData ? 'destructive' : 'none' };
    }
    case 'remove':
      return {
        summary: `remove ${typeText(change.seen)}`,
        hazard: change.seen.type === 'symlink' ? 'none' : 'destructive',
      };
    case 'refuse':
      return { summary: `refuse: ${change.reason}`, hazard: 'none' };
  }
}

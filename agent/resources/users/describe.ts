import type { Described } from '../../resource.ts';
import type { UserChange } from './state.ts';

export function describe(change: UserChange): Described {
  switch (change.type) {
    case 'create': {
      const { spec } = change;
      const groups = [spec.group ?? spec.name, ...(spec.groups ?? [])].join(', ');
      return { summary: `make the ${spec.system ? 'system ' : ''}user, in ${groups}`, hazard: 'none' };
    }
    case 'modify': {
      const texts = change.modifications.map(({ text }) => text).join(', ');
      const renumbers = change.modifications.some(({ argv }) => argv[0] === '--uid');
      return { summary: `set ${texts}`, hazard: renumbers ? 'destructive' : 'none' };
    }
    case 'password':
      return { summary: 'set the password', hazard: 'none' };
    case 'lock':
      return { summary: 'lock the password', hazard: 'none' };
    case 'home':
      return { summary: `make the home directory ${change.path}`, hazard: 'none' };
    case 'remove': {
      const home = change.removeHome ? ' with its home directory' : '';
      return { summary: `remove the user${home}`, hazard: 'destructive' };
    }
  }
}

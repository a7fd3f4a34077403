import { textDiff } from '../../describe.ts';
import type { Described } from '../../resource.ts';
import type { Change } from './state.ts';

export function describe(change: Change): Described {
  switch (change.type) {
    case 'refused':
      return { summary: `${change.stalled ? 'cannot ' : ''}${change.summary}: ${change.message}`, hazard: 'none' };
    case 'createCluster':
      return { summary: `create cluster ${change.version}/${change.name}`, hazard: 'none' };
    case 'settings':
      return describeSettings(change);
    case 'hba':
      return describeHba(change);
    case 'reload':
      return { summary: `reload the server (${change.why})`, hazard: 'reload' };
    case 'start':
      return {
        summary: change.starting ? `wait for ${change.cluster.unit} to start` : `start ${change.cluster.unit}`,
        hazard: 'none',
      };
    case 'continue':
      return { summary: 'then compare what can only be seen by then', hazard: 'none' };
    case 'locale':
      return { summary: `generate locale ${change.locale}`, hazard: 'none' };
    case 'password':
      return { summary: `${change.why} of role ${change.role}`, hazard: 'none' };
    case 'sql':
      return { summary: change.summary, hazard: change.hazard };
  }
}

function describeSettings({ names, edits, action }: Extract<Change, { readonly type: 'settings' }>): Described {
  const next = action === 'nothing' ? '' : ` and ${action} the server`;
  const list = names.join(', ');
  const hazard = action === 'nothing' ? 'none' : action;
  if (edits.length === 0) return { summary: `${action} the server: it runs with another ${list}`, hazard };
  const diff = edits.map(({ path, before, after }) => textDiff(path, before, after)).join('');
  return { summary: `set ${list}${next}`, diff, hazard };
}

function describeHba({ path, before, after, running }: Extract<Change, { readonly type: 'hba' }>): Described {
  const hazard = running ? 'reload' : 'none';
  if (before === after) return { summary: `take ${path} from others and reload it`, hazard };
  return { summary: `write ${path}`, diff: textDiff(path, before, after), hazard };
}

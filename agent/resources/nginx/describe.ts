import { join } from 'node:path';
import { reveal, Secret } from '../../../desired-state/schema/secret.ts';
import { modeText, textDiff } from '../../describe.ts';
import type { Described, Hazard } from '../../resource.ts';
import type { Activation, Edit, NginxChange } from './diff.ts';
import { SHADOW, TREE } from './layout.ts';
import type { Found } from './observe.ts';

export function describe(change: NginxChange): Described {
  switch (change.type) {
    case 'clean':
      return { summary: `remove ${SHADOW}, which an interrupted run left`, hazard: 'none' };
    case 'unmask':
      return { summary: 'unmask (it is masked, but declared running)', hazard: 'none' };
    case 'enable':
      return { summary: `enable (it is ${change.is})`, hazard: 'none' };
    case 'activate':
      return { summary: `${change.activation} (${change.reason})`, hazard: hazardOf(change.activation) };
    case 'swap': {
      const diff = change.edits.map(diffOf).join('');
      const steps = [...change.edits.map(summaryOf), ...(change.activation === 'none' ? [] : [change.activation])];
      const destroys = change.edits.some(
        (edit) => edit.type === 'remove' && edit.why === 'purged' && holdsText(edit.found),
      );
      const hazard = destroys ? 'destructive' : hazardOf(change.activation);
      return { summary: steps.join(', '), hazard, ...(diff === '' ? {} : { diff }) };
    }
  }
}

function hazardOf(activation: Activation): Hazard {
  return activation === 'reload' ? 'reload' : 'none';
}

function summaryOf(edit: Edit): string {
  switch (edit.type) {
    case 'remove':
      return edit.why === 'purged' ? `remove ${edit.path}, which is not declared` : `remove ${edit.path}`;
    case 'link':
      return `enable ${edit.owner}${isWas(edit.found, edit.target)}`;
    case 'write':
      return writeSummary(edit);
  }
}

function writeSummary({ path, found, content, mode }: Extract<Edit, { type: 'write' }>): string {
  if (found.type === 'absent') return `create ${path}`;
  if (found.type !== 'file') return `replace ${path} (is a ${found.type === 'other' ? found.what : found.type})`;
  if (found.text !== reveal(content)) return `rewrite ${path}`;
  const owner = found.uid === 0 && found.gid === 0 ? '' : `, owner root:root (is ${found.uid}:${found.gid})`;
  return `set ${path} to mode ${modeText(mode)} (is ${modeText(found.mode)})${owner}`;
}

function isWas(found: Found, target: string): string {
  if (found.type === 'absent') return '';
  if (found.type === 'link') return ` (its link goes to ${found.target} and not ${target})`;
  return ` (a ${found.type === 'other' ? found.what : 'file of its own'} stands there)`;
}

/** What not everybody may read may hold a secret of an older revision, which nobody can recognise any more. */
function diffOf(edit: Edit): string {
  const path = join(TREE, edit.path);
  const { found } = edit;
  const content = edit.type === 'write' ? edit.content : '';
  if (found.type === 'file' && found.text === reveal(content)) return '';
  if (found.type === 'file' && (found.mode & 0o004) === 0 && !(content instanceof Secret)) return '';
  if (edit.type === 'write') return textDiff(path, found.type === 'file' ? found.text : undefined, content);
  return found.type === 'file' ? textDiff(path, found.text, '') : '';
}

function holdsText(found: Found): boolean {
  return found.type !== 'link' && found.type !== 'absent';
}

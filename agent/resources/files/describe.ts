import { type MaybeSecret, reveal, Secret } from '../../../desired-state/schema/secret.ts';
import { modeText, textDiff } from '../../describe.ts';
import type { Described } from '../../resource.ts';
import { typeText } from '../shared/ownership.ts';
import type { FileChange } from './state.ts';

const MAX_DIFF_CHARACTERS = 128 * 1024;

type Write = Extract<FileChange, { type: 'write' }>;

export function describe(change: FileChange): Described {
  switch (change.type) {
    case 'write':
      return describeWrite(change);
    case 'attributes':
      return { summary: `set ${change.differences.join(', ')}`, hazard: 'none' };
    case 'remove':
      return { summary: `remove ${typeText(change.seen)}`, hazard: 'destructive' };
    case 'refuse':
      return { summary: `refuse: ${change.reason}`, hazard: 'none' };
  }
}

function describeWrite(change: Write): Described {
  const { path, content, owned, seen, also } = change;
  const text = reveal(content);
  const lines = text === '' ? 0 : text.replace(/\n$/, '').split('\n').length;
  const size = `${lines} ${lines === 1 ? 'line' : 'lines'}`;
  const attributes = seen === undefined ? `, ${owned.owner}:${owned.group} ${modeText(owned.mode)}` : '';
  const summary = `write ${size}${attributes}${also.map((part) => `, ${part}`).join('')}`;
  const hazard = seen?.type === 'directory' || seen?.type.endsWith('Device') === true ? 'destructive' : 'none';
  const fresh = seen === undefined || seen.type !== 'file';
  const shown = text.length <= MAX_DIFF_CHARACTERS && (fresh || change.before !== undefined);
  return shown ? { summary, hazard, diff: textDiff(path, change.before, masked(change)) } : { summary, hazard };
}

/** What only its owner may read is not shown either: the lines that go away may hold a secret that no manifest knows. */
function masked({ content, seen }: Write): MaybeSecret {
  const isPrivate = seen !== undefined && (seen.mode & 0o004) === 0;
  return isPrivate && typeof content === 'string' ? new Secret(content, []) : content;
}

import { basename } from 'node:path';
import { reveal, Secret } from '../../../desired-state/schema/secret.ts';
import { modeText, textDiff } from '../../describe.ts';
import type { Described } from '../../resource.ts';
import { type Change, type FileWrite, type Switch, sameText } from './diff.ts';

export function describe(change: Change): Described {
  switch (change.kind) {
    case 'switch':
      return describeSwitch(change);
    case 'daemon':
      return { summary: 'start supervisord (it does not answer)', hazard: 'restart' };
    case 'start':
      return { summary: `start ${change.group.name} (is ${change.states.join(', ')})`, hazard: 'none' };
    case 'stop':
      return { summary: `stop ${change.group.name}`, hazard: 'restart' };
    case 'broken':
      return { summary: `the configuration cannot be read: ${change.message}`, hazard: 'none' };
  }
}

function describeSwitch(change: Switch): Described {
  const running = new Set(change.desired.filter((group) => group.ensure === 'running').map((group) => group.name));
  const restarted = change.groups.filter((name) => running.has(name));
  const stopped = change.groups.filter((name) => !running.has(name));
  const parts = [
    ...change.writes.map(writeSummary),
    ...change.removals.map((removal) => `remove ${basename(removal.path)}`),
    ...(restarted.length === 0 ? [] : [`run ${restarted.join(', ')} with its new configuration`]),
    ...(stopped.length === 0 ? [] : [`stop ${stopped.join(', ')}`]),
  ];
  const diffs = [
    ...change.writes.filter((write) => !sameText(write)).map(fileDiff),
    ...change.removals.map((removal) => `${removal.path}: removed\n`),
  ];
  return {
    summary: parts.join('; '),
    ...(diffs.length === 0 ? {} : { diff: diffs.join('') }),
    hazard: change.disturbs ? 'restart' : 'none',
  };
}

/** What stood in a file that only root may read counts as secret, whether or not the new text is. */
function fileDiff({ path, before, text }: FileWrite): string {
  const wasPrivate = before !== undefined && (before.mode & 0o044) === 0;
  const shown = wasPrivate && !(text instanceof Secret) ? new Secret(reveal(text), []) : text;
  return textDiff(path, before?.text, shown);
}

function writeSummary(write: FileWrite): string {
  const name = basename(write.path);
  if (write.before === undefined) return `create ${name}`;
  if (!sameText(write)) return `rewrite ${name}`;
  const { mode, uid, gid } = write.before;
  const is = mode === write.mode ? `owner ${uid}:${gid}` : modeText(mode);
  const shall = mode === write.mode ? 'owner 0:0' : `mode ${modeText(write.mode)}`;
  return `set ${shall} of ${name} (is ${is})`;
}

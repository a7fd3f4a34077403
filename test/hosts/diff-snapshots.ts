/** What differs between two snapshots, in words. */
import type { FileEntry, HostProcess, Snapshot } from './snapshot.ts';

export interface DiffOptions {
  /**
   * `everything`: a file that was touched, or rewritten with what it held, differs. For: nothing was done.
   * `result`: times and processes do not count. For: it is as it was before it was broken.
   */
  readonly compare?: 'everything' | 'result';
  /** Paths, each with all below it, that may differ. */
  readonly ignore?: readonly string[];
}

/** One line for each difference; none where the two are alike. */
export function diffSnapshots(before: Snapshot, after: Snapshot, options: DiffOptions = {}): readonly string[] {
  const everything = (options.compare ?? 'everything') === 'everything';
  return [
    ...diffFiles(before, after, { everything, ignore: options.ignore ?? [] }),
    ...diffLines('package', before.packages, after.packages),
    ...(everything ? diffLines('process', before.processes.map(processLine), after.processes.map(processLine)) : []),
    ...diffLines('postgres', before.postgres, after.postgres),
  ];
}

function diffFiles(
  before: Snapshot,
  after: Snapshot,
  options: { everything: boolean; ignore: readonly string[] },
): readonly string[] {
  const gone = Object.keys(before.files).filter((path) => after.files[path] === undefined);
  return [...gone, ...Object.keys(after.files)]
    .filter((path) => !options.ignore.some((root) => path === root || path.startsWith(`${root}/`)))
    .flatMap((path) => {
      const [old, now] = [before.files[path], after.files[path]];
      if (old === undefined) return [`file ${path}: new (${now?.type})`];
      if (now === undefined) return [`file ${path}: gone (was ${old.type})`];
      if (old === now) return [];
      const changes = changedFields(old, now, options.everything);
      return changes.length === 0 ? [] : [`file ${path}: ${changes.join(', ')}`];
    })
    .sort();
}

const LASTING = ['type', 'mode', 'uid', 'gid', 'size', 'content'] as const;
const TIMES = ['mtime_ns', 'ctime_ns'] as const;

function changedFields(old: FileEntry, now: FileEntry, everything: boolean): readonly string[] {
  return [...LASTING, ...(everything ? TIMES : [])]
    .filter((field) => old[field] !== now[field])
    .map((field) =>
      field === 'content' && now.type === 'file' ? 'content' : `${field} ${old[field]} → ${now[field]}`,
    );
}

function processLine(process: HostProcess): string {
  return `${process.pid} started at ${process.started}: ${process.command}`;
}

function diffLines(what: string, before: readonly string[], after: readonly string[]): readonly string[] {
  const [old, now] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !now.has(line)).map((line) => `${what} gone: ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `${what} new: ${line}`),
  ];
}

import { join } from 'node:path';
import type { FileReader, FileStat } from '../../host/files/port.ts';
import { TREE } from './layout.ts';

/** A tree with more entries than this is not a configuration; what is over the bound is not looked at. */
const MAX_ENTRIES = 2000;

/**
 * Files of the tree, and files outside that it names (certificates, includes), that changed after `since_ms`. By ctime,
 * which no program can set back: after a hand edit, a hand reload and our repair the disk is right again, but its ctime
 * says that the workers have not read it. A folder counts by its mtime: a file in it was made, renamed or removed.
 */
export async function changesSince(files: FileReader, since_ms: number, now_ms: number): Promise<readonly string[]> {
  const changed: string[] = [];
  // What lies in the future comes from a clock that was set back: no reload could ever be newer.
  const isNewer = (time_ms: number): boolean => time_ms > since_ms && time_ms <= now_ms;
  const entries = await walk(files, TREE);
  for (const { path, stat, target } of entries) {
    const time_ms = stat.type === 'directory' ? stat.mtime_ms : Math.max(stat.ctime_ms, target?.ctime_ms ?? 0);
    if (isNewer(time_ms)) changed.push(path);
  }
  const texts = await Promise.all(entries.filter(isConfiguration).map(({ path }) => files.readText(path)));
  const named = new Set(texts.flatMap((text) => pathsNamedIn(text ?? '')));
  for (const path of named) {
    const target = await files.statTarget(path);
    if (target !== undefined && isNewer(target.ctime_ms)) changed.push(path);
  }
  return changed;
}

interface Entry {
  readonly path: string;
  readonly stat: FileStat;
  readonly target: FileStat | undefined;
}

async function walk(files: FileReader, root: string): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const pending = [root];
  for (let path = pending.pop(); path !== undefined && entries.length < MAX_ENTRIES; path = pending.pop()) {
    const stat = await files.stat(path);
    if (stat === undefined) continue;
    entries.push({ path, stat, target: stat.type === 'symlink' ? await files.statTarget(path) : undefined });
    if (stat.type !== 'directory') continue;
    // A name with a leading dot is an editor's; nginx does not include it.
    const names = ((await files.list(path)) ?? []).filter((name) => !name.startsWith('.'));
    pending.push(...names.map((name) => join(path, name)));
  }
  return entries;
}

/** Where directives are read from: the main file, `conf.d`, the enabled sites and the snippets, as Debian lays them out. */
function isConfiguration({ path, stat, target }: Entry): boolean {
  const type = target?.type ?? stat.type;
  const inside = path.slice(TREE.length + 1);
  return type === 'file' && /^(?:nginx\.conf$|conf\.d\/.*\.conf$|sites-enabled\/|snippets\/)/.test(inside);
}

/** Directives whose file is read when the configuration is, and not at each request. */
const READ_AT_LOAD =
  /^[ \t]*(?:ssl_(?:certificate|certificate_key|trusted_certificate|client_certificate|dhparam|crl|password_file|stapling_file)|proxy_ssl_(?:certificate|certificate_key|trusted_certificate)|include)[ \t]+(["']?)(\/[^;"'$*?[\s]+)\1[ \t]*;/gm;

export function pathsNamedIn(text: string): readonly string[] {
  const paths = [...text.matchAll(READ_AT_LOAD)].map((match) => match[2] ?? '');
  return paths.filter((path) => path !== '' && !path.startsWith(`${TREE}/`));
}

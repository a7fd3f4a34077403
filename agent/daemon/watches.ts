import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { WatchHint } from '../resource.ts';

/**
 * Notices changes early; they only ever cause another look. Watches the folders in which the paths lie, since a file that
 * is replaced by rename, or does not exist yet, cannot be watched itself. Never recursive.
 */
export interface WatchesOptions {
  readonly trigger: () => void;
  readonly onProblem: (message: string) => void;
}

/** inotify allows 8192 watches per user by default on small machines; they cost about 1 KB of kernel memory each. */
const MAX_FOLDERS = 512;
/** Long enough for an editor's several writes, short enough for "within a second". */
const DEBOUNCE_MS = 100;
/** A file that changes all the time must not keep us reconciling all the time. */
const MAX_DELAY_MS = 1_000;
const MIN_TIMER_S = 1;
const NO_NAMES: ReadonlySet<string> = new Set();

/** What is of interest in a folder: some names, or all. */
interface Interest {
  readonly names: ReadonlySet<string>;
  readonly all: boolean;
}

interface Folder {
  readonly watcher: FSWatcher;
  readonly inode: number;
  interest: Interest;
}

export class Watches {
  readonly #options: WatchesOptions;
  readonly #folders = new Map<string, Folder>();
  #intervals: NodeJS.Timeout[] = [];
  /** By folder, what is watched by name. Worked out once per manifest: the folders are looked at after each run. */
  #named: ReadonlyMap<string, Interest> = new Map();
  /** Where they are folders, all that is in them is watched. */
  #listed: readonly string[] = [];
  #debounce: NodeJS.Timeout | undefined;
  #firstEvent_ms: number | undefined;

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  get folders(): number {
    return this.#folders.size;
  }

  /** Watches exactly these. */
  set(hints: readonly WatchHint[]): void {
    this.#named = namesByFolder(hints);
    this.#listed = hints.flatMap((hint) => ('path' in hint && hint.entries ? [hint.path] : []));
    for (const interval of this.#intervals) clearInterval(interval);
    const seconds = new Set(hints.flatMap((hint) => ('everySeconds' in hint ? [hint.everySeconds] : [])));
    this.#intervals = [...seconds].map((every) =>
      setInterval(() => this.#options.trigger(), Math.max(every, MIN_TIMER_S) * 1000),
    );
    this.refresh();
  }

  /** Watches folders that have appeared, or were replaced by others, since; called after each run, for a run may have done that. */
  refresh(): void {
    const wanted = this.#wanted();
    if (wanted.size > MAX_FOLDERS) {
      this.#options.onProblem(`watching ${MAX_FOLDERS} of ${wanted.size} folders; the schedule looks at the rest`);
    }
    const kept = wanted.size > MAX_FOLDERS ? new Map([...wanted].slice(0, MAX_FOLDERS)) : wanted;
    for (const [path, folder] of this.#folders) {
      if (!kept.has(path)) this.#forget(path, folder);
    }
    for (const [path, interest] of kept) this.#follow(path, interest);
  }

  close(): void {
    for (const interval of this.#intervals) clearInterval(interval);
    clearTimeout(this.#debounce);
    for (const [path, folder] of this.#folders) this.#forget(path, folder);
  }

  #wanted(): ReadonlyMap<string, Interest> {
    const folders = this.#listed.filter(isFolder);
    if (folders.length === 0) return this.#named;
    const whole = folders.map(
      (path) => [path, { names: this.#named.get(path)?.names ?? NO_NAMES, all: true }] as const,
    );
    return new Map([...this.#named, ...whole]);
  }

  #follow(path: string, interest: Interest): void {
    const inode = statSync(path, { throwIfNoEntry: false })?.ino;
    const known = this.#folders.get(path);
    if (known !== undefined && known.inode === inode) {
      known.interest = interest;
      return;
    }
    // Of a folder that an ancestor's rename has taken along, inotify tells nothing: the watch has to move to the new one.
    if (known !== undefined) this.#forget(path, known);
    if (inode === undefined) return;
    let watcher: FSWatcher;
    try {
      watcher = watch(path, { persistent: false }, (_event, name) => {
        const { names, all } = this.#folders.get(path)?.interest ?? interest;
        if (all || name === null || names.has(name)) this.#noticed();
        // The folder itself was moved or removed: inotify names it then, and is silent ever after.
        if (name === basename(path)) this.#gone(path);
      });
    } catch (error) {
      if (!isAbsent(error))
        this.#options.onProblem(`cannot watch ${path}: ${reasonOf(error)}; the schedule looks at it`);
      return;
    }
    watcher.on('error', () => this.#gone(path));
    this.#folders.set(path, { watcher, inode, interest });
  }

  #gone(path: string): void {
    const folder = this.#folders.get(path);
    if (folder === undefined) return;
    this.#forget(path, folder);
    this.#noticed();
  }

  #forget(path: string, { watcher }: Folder): void {
    watcher.close();
    this.#folders.delete(path);
  }

  #noticed(): void {
    const now = performance.now();
    this.#firstEvent_ms ??= now;
    const wait_ms = Math.min(DEBOUNCE_MS, Math.max(0, this.#firstEvent_ms + MAX_DELAY_MS - now));
    clearTimeout(this.#debounce);
    this.#debounce = setTimeout(() => {
      this.#firstEvent_ms = undefined;
      this.#options.trigger();
    }, wait_ms);
  }
}

function namesByFolder(hints: readonly WatchHint[]): Map<string, Interest> {
  const folders = new Map<string, Set<string>>();
  for (const hint of hints) {
    if (!('path' in hint) || hint.path === '/') continue;
    const folder = dirname(hint.path);
    const names = folders.get(folder) ?? new Set();
    folders.set(folder, names.add(basename(hint.path)));
  }
  return new Map([...folders].map(([path, names]) => [path, { names, all: false }]));
}

function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    // A part of the path is no folder, or cannot be looked at: then there is nothing to watch yet.
    return false;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

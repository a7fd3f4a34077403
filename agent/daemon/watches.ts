import { type FSWatcher, watch } from 'node:fs';
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

interface Folder {
  readonly watcher: FSWatcher;
  readonly names: Set<string>;
}

export class Watches {
  readonly #options: WatchesOptions;
  readonly #folders = new Map<string, Folder>();
  #intervals: NodeJS.Timeout[] = [];
  #hints: readonly WatchHint[] = [];
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
    this.#hints = hints;
    for (const interval of this.#intervals) clearInterval(interval);
    const seconds = new Set(hints.flatMap((hint) => ('everySeconds' in hint ? [hint.everySeconds] : [])));
    this.#intervals = [...seconds].map((every) =>
      setInterval(() => this.#options.trigger(), Math.max(every, MIN_TIMER_S) * 1000),
    );
    this.refresh();
  }

  /** Watches folders that have appeared since; called after each run, for a run may have made them. */
  refresh(): void {
    const wanted = namesByFolder(this.#hints);
    if (wanted.size > MAX_FOLDERS) {
      this.#options.onProblem(`watching ${MAX_FOLDERS} of ${wanted.size} folders; the schedule looks at the rest`);
    }
    const kept = new Map([...wanted].slice(0, MAX_FOLDERS));
    for (const [path, folder] of this.#folders) {
      if (!kept.has(path)) this.#forget(path, folder);
    }
    for (const [path, names] of kept) this.#follow(path, names);
  }

  close(): void {
    for (const interval of this.#intervals) clearInterval(interval);
    clearTimeout(this.#debounce);
    for (const [path, folder] of this.#folders) this.#forget(path, folder);
  }

  #follow(path: string, names: ReadonlySet<string>): void {
    const known = this.#folders.get(path);
    if (known !== undefined) {
      known.names.clear();
      for (const name of names) known.names.add(name);
      return;
    }
    const own = new Set(names);
    let watcher: FSWatcher;
    try {
      watcher = watch(path, { persistent: false }, (_event, name) => {
        if (name === null || own.has(name)) this.#noticed();
        // The folder itself was moved or removed: inotify names it then, and is silent ever after.
        else if (name === basename(path)) this.#gone(path);
      });
    } catch (error) {
      if (!isAbsent(error))
        this.#options.onProblem(`cannot watch ${path}: ${reasonOf(error)}; the schedule looks at it`);
      return;
    }
    watcher.on('error', () => this.#gone(path));
    this.#folders.set(path, { watcher, names: own });
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

function namesByFolder(hints: readonly WatchHint[]): Map<string, Set<string>> {
  const folders = new Map<string, Set<string>>();
  for (const hint of hints) {
    if (!('path' in hint) || hint.path === '/') continue;
    const folder = dirname(hint.path);
    const names = folders.get(folder);
    if (names === undefined) folders.set(folder, new Set([basename(hint.path)]));
    else names.add(basename(hint.path));
  }
  return folders;
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

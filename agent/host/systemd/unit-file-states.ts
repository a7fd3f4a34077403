import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SystemdBus } from './bus.ts';
import { DBusError } from './dbus/connection.ts';
import { textOrEmpty } from './dbus/marshal.ts';

/** Where systemd looks for unit files and for the links that enable them (systemd.unit(5)). */
const FOLDERS = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/run/systemd/transient',
  '/run/systemd/generator',
  '/run/systemd/generator.late',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
];
/** Links made within this before a look may carry the same time stamp as a later one: nothing is remembered then. */
const RACY_MS = 100;

/**
 * Enablement of units, asked of the manager: the unit's own property is a memory that links made by hand do not refresh.
 * The question makes PID 1 read all those folders (1 ms), so the answers are kept while no folder changes.
 */
export class UnitFileStates {
  #folders = '';
  readonly #linkFolders = new Map<string, LinkFolders>();
  readonly #known = new Map<string, { readonly files: string; readonly state: string }>();

  /** `files`: what systemd has read for the unit, whose [Install] section decides as well. */
  async of(bus: SystemdBus, unit: string, files: readonly string[]): Promise<string> {
    const folders = stampOf(FOLDERS.flatMap((folder) => [folder, ...this.#linkFoldersOf(folder)]));
    if (folders.text !== this.#folders) this.#known.clear();
    this.#folders = folders.text;
    const own = stampOf(files);
    const known = this.#known.get(unit);
    if (known?.files === own.text) return known.state;
    const state = await ask(bus, unit);
    const newest_ms = Math.max(folders.newest_ms, own.newest_ms);
    if (newest_ms < Date.now() - RACY_MS) this.#known.set(unit, { files: own.text, state });
    return state;
  }

  /** A folder's `multi-user.target.wants` and the like, read again only when it has changed. */
  #linkFoldersOf(folder: string): readonly string[] {
    const stat = statSync(folder, { throwIfNoEntry: false });
    const stamp = `${stat?.ino}:${stat?.ctimeMs}`;
    const known = this.#linkFolders.get(folder);
    if (known?.stamp === stamp) return known.paths;
    const paths = stat === undefined ? [] : linkFoldersIn(folder);
    if ((stat?.ctimeMs ?? 0) < Date.now() - RACY_MS) this.#linkFolders.set(folder, { stamp, paths });
    return paths;
  }
}

interface LinkFolders {
  readonly stamp: string;
  readonly paths: readonly string[];
}

async function ask(bus: SystemdBus, unit: string): Promise<string> {
  try {
    const [state] = await bus.ask('GetUnitFileState', 's', [unit]);
    return textOrEmpty(state);
  } catch (error) {
    if (error instanceof DBusError && NO_UNIT_FILE.has(error.code)) return 'absent';
    throw error;
  }
}

const NO_UNIT_FILE = new Set([
  'org.freedesktop.DBus.Error.FileNotFound',
  'org.freedesktop.systemd1.NoSuchUnit',
  'org.freedesktop.systemd1.LoadFailed',
]);

/** A folder that is removed changes the one that held it. */
function linkFoldersIn(folder: string): readonly string[] {
  return namesIn(folder)
    .filter((name) => /\.(?:wants|requires|upholds)$/.test(name))
    .map((name) => join(folder, name));
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function stampOf(paths: readonly string[]): { readonly text: string; readonly newest_ms: number } {
  let newest_ms = 0;
  const parts = paths.map((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    // The unit file of a masked unit is /dev/null, whose times everybody changes.
    if (stat?.isCharacterDevice() === true) return path;
    newest_ms = Math.max(newest_ms, stat?.ctimeMs ?? 0);
    return `${path}:${stat?.ino}:${stat?.ctimeMs}:${stat?.mtimeMs}`;
  });
  return { text: parts.join('\n'), newest_ms };
}

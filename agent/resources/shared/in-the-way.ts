import type { FileStat, FileWriter } from '../../host/files/port.ts';

/**
 * The one rule for whatever stands where something else shall be: what holds no data goes away, what holds data needs
 * `force`. A symlink holds none, nor does a FIFO, a socket, an empty file or an empty directory.
 */
export function holdsData(there: FileStat, inhabited: boolean | undefined): boolean {
  switch (there.type) {
    case 'directory':
      return inhabited === true;
    case 'file':
      return there.size_bytes > 0;
    case 'characterDevice':
    case 'blockDevice':
      return true;
    case 'symlink':
    case 'fifo':
    case 'socket':
      return false;
  }
}

/** Removes what was seen. `force`: a directory with all that is in it, and not only an empty one. */
export async function removeSeen(
  files: FileWriter,
  { path, seen, force }: { readonly path: string; readonly seen: FileStat; readonly force: boolean },
): Promise<void> {
  if (seen.type === 'directory' && force) await files.removeTree(path);
  else await files.remove(path, { expecting: seen });
}

export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'characterDevice' | 'blockDevice';

/** What `lstat` says. */
export interface FileStat {
  readonly type: FileType;
  /** Permission bits including setuid, setgid and sticky: `mode & 0o7777`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size_bytes: number;
  readonly mtime_ms: number;
  readonly ctime_ms: number;
  readonly device: number;
  readonly inode: number;
  readonly links: number;
}

export interface FileReader {
  /** Of the path itself, not of what a symlink points to; `undefined` where nothing is. */
  stat(path: string): Promise<FileStat | undefined>;
  /** Of what the path points to. `undefined` also for a dangling link. */
  statTarget(path: string): Promise<FileStat | undefined>;
  /** `undefined` where nothing is. Refuses directories, devices and FIFOs, and more than `max_bytes` (default 128 MiB). */
  read(path: string, options?: { readonly max_bytes?: number }): Promise<Buffer | undefined>;
  readText(path: string, options?: { readonly max_bytes?: number }): Promise<string | undefined>;
  /** SHA-256 in hex of a regular file, remembered by device, inode, size, mtime and ctime; streams large files. `seen` saves a look: what `stat` has just said of a regular file. */
  hash(path: string, seen?: FileStat): Promise<string | undefined>;
  /** Names in a directory, sorted; `undefined` where there is no directory. */
  list(path: string): Promise<readonly string[] | undefined>;
  readLink(path: string): Promise<string | undefined>;
  realPath(path: string): Promise<string | undefined>;
  freeSpace_bytes(path: string): Promise<number>;
}

export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export interface Expectation {
  /** What was seen at the path; where something else stands there by now, the call rejects (`ECHANGED`) and changes nothing. */
  readonly expecting?: FileStat | 'nothing' | undefined;
}

/** Every call rejects with a `FileProblem` that says what to do; see `problem.ts` for its codes. */
export interface FileWriter extends FileReader {
  /** Temporary file in the same directory (mode 0600 until owned), fsync, chown, chmod, rename, fsync of the directory. Nothing is left on failure. */
  write(path: string, content: string | Uint8Array, ownership: Ownership, options?: Expectation): Promise<void>;
  /** One level; the parent must be there. */
  makeDirectory(path: string, ownership: Ownership): Promise<void>;
  /** Replaces atomically whatever link or file stands at `path`. */
  link(
    path: string,
    target: string,
    owner?: { readonly uid: number; readonly gid: number },
    options?: Expectation,
  ): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Swaps two paths in one step (`renameat2` with `RENAME_EXCHANGE`). */
  exchange(a: string, b: string): Promise<void>;
  /** With owners, modes, times and links, to a place where nothing is yet. A copy that fails half-way is removed. */
  copyTree(from: string, to: string): Promise<void>;
  /** A file, link, FIFO or socket, or an empty directory. No error where nothing is. */
  remove(path: string, options?: Expectation): Promise<void>;
  /** Never follows links and never crosses into another file system. */
  removeTree(path: string): Promise<void>;
  /** Owner and mode together, of anything but a symlink, on one handle: nobody can swap the path in between. */
  setOwnership(path: string, ownership: Ownership, options?: Expectation): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  /** Of the link itself where `path` is one. */
  setOwner(path: string, uid: number, gid: number): Promise<void>;
}

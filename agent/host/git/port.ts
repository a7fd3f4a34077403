/** One ref of a remote repository. The URL may hold a password: it never reaches an argument vector. */
export interface GitSource {
  /** A URL, an scp-like address or an absolute path. */
  readonly repository: string;
  /** Full name, such as `refs/heads/master` or `refs/tags/v1`. */
  readonly ref: string;
}

export type Lookup = { readonly commit: string } | { readonly error: string };

export interface GitReader {
  /**
   * The commit that the ref has now, by `git ls-remote` or what amounts to it, remembered for `maxAge_ms` in this process. When the answer is
   * old and the remote is slow, the old answer is given and the new one is there at the next call. `error` says why
   * there is no answer; it never rejects for a remote that is away.
   */
  remoteCommit(source: GitSource, maxAge_ms: number): Promise<Lookup>;
}

export interface GitWriter extends GitReader {
  /** Gets `commit` into the bare repository at `mirror`, which is made where it is missing. */
  fetch(mirror: string, source: GitSource, commit: string): Promise<void>;
  /** The tree of `commit` as files in the empty `directory`: no `.git` and no hook run. */
  checkOut(mirror: string, commit: string, directory: string): Promise<void>;
}

/** Where something stands in the tree: the file as the user knows it, line and column counted from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Something that the user has to mend. */
export interface Issue extends Place {
  /** What was found and what was expected, with a hint where there is one. Never the value of a secret. */
  readonly message: string;
  /** The hosts that it was found for; empty when it concerns the file alone. */
  readonly hosts: readonly string[];
}

/** More than anybody reads; a tree that is this wrong is wrong in one way many times. */
const MAX_ISSUES = 1000;

/** Collects issues; one that several hosts share is kept once. */
export class Issues {
  readonly #found = new Map<string, { readonly place: Place; readonly message: string; readonly hosts: Set<string> }>();

  add(place: Place, message: string, host?: string): void {
    const key = `${place.file}\0${place.line}\0${place.column}\0${message}`;
    const known = this.#found.get(key);
    if (known !== undefined) {
      if (host !== undefined) known.hosts.add(host);
    } else if (this.#found.size < MAX_ISSUES) {
      this.#found.set(key, { place, message, hosts: new Set(host === undefined ? [] : [host]) });
    }
  }

  /** In the order of files, lines and columns. */
  sorted(): readonly Issue[] {
    return [...this.#found.values()]
      .map(({ place, message, hosts }) => ({ ...place, message, hosts: [...hosts].sort() }))
      .sort(
        (a, b) => compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.message, b.message),
      );
  }
}

/** `desired-state/roles/web.yaml:14:3 unknown key "pakages", did you mean "packages"?` */
export function formatIssue(issue: Issue): string {
  return `${issue.file}:${issue.line}:${issue.column} ${issue.message}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

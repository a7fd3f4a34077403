import type { Candidate } from './port.ts';

/**
 * The output of `apt-cache policy NAME…`:
 *
 *     nginx:
 *       Installed: (none)
 *       Candidate: 1.22.1-9
 *       Version table:
 *      *** 1.22.1-9 500
 *             500 http://mirror.example.org/debian bookworm/main amd64 Packages
 *
 * A name that apt does not know is not there; a virtual package has the candidate `(none)` and an empty table.
 */
export function parsePolicy(output: string): ReadonlyMap<string, Candidate> {
  const found = new Map<string, Candidate>();
  for (const block of output.split(/^(?=\S)/m)) {
    const name = /^(\S+):$/m.exec(block)?.[1];
    if (name === undefined) continue;
    const candidate = /^ {2}Candidate: (\S+)$/m.exec(block)?.[1];
    const versions = [...block.matchAll(/^ (?:\*\*\*| {3}) (\S+) -?\d+$/gm)].map((match) => match[1] ?? '');
    found.set(name, { version: candidate === '(none)' ? undefined : candidate, versions });
  }
  return found;
}
